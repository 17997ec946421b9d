"""The largest sizes a file may declare. They are normative (SPEC section 9): readers check them before they
allocate, writers before they write.

Every number is far above what a real video needs and low enough that a hostile file costs little.
"""

# The picture. 16384 holds 16K video, and a side times any stride stays far inside 32-bit arithmetic.
MAX_SIDE_PX = 2**14
# A network renders whole grid cells, so it may pass the picture's edge; twice the side is ample for that.
MAX_RENDERED_SIDE_PX = 2 * MAX_SIDE_PX

# Time. A segment is fitted and decoded as a whole; 8192 frames are over two minutes at 60 frames a second,
# and their durations still fit a segment header.
MAX_SEGMENT_FRAMES = 2**13
# 77 hours at 60 frames a second.
MAX_FRAMES = 2**24
# Largest numerator or denominator of a rate, a time base or an aspect ratio: what FFmpeg's rationals hold.
MAX_TERM = 2**31 - 1
# A frame's duration in time base units, for the same reason.
MAX_DURATION_TICKS = 2**31 - 1

# The file. A segment header's length is a u16; the stream header keeps to the same size.
MAX_HEADER_BYTES = 2**16 - 1
# A segment decodes in memory. 256 MiB are 8 bits for each of the parameters that a segment may hold.
MAX_SEGMENT_BYTES = 2**28
# A chunk of a kind that this version does not know may be as large as a segment; it is skipped in pieces.
MAX_UNKNOWN_BYTES = 2**28
# 65536 segments: 18 hours in segments of a second.
MAX_SEGMENTS = 2**16
# An index entry takes at most 18 bytes, so this holds MAX_SEGMENTS of them with room for later fields.
MAX_INDEX_BYTES = 2**21
# Stops a file of endless empty optional chunks; leaves three of them to each segment.
MAX_CHUNKS = 2**18
# Elements of an array in a header: the longest has a duration for each frame of a segment.
MAX_HEADER_ITEMS = MAX_SEGMENT_FRAMES

# Names of presets and encoders are shown on one line of a terminal.
MAX_TEXT_CHARS = 64
# Any string of a header, fields of later versions included; they may use UTF-8, 4 bytes a character.
MAX_STRING_BYTES = 4 * MAX_TEXT_CHARS
# A seed is any unsigned 64-bit number.
MAX_SEED = 2**64 - 1
# Code points of H.273 are bytes; FFmpeg numbers six chroma locations, 0 is "unspecified".
MAX_COLOR_CODE = 2**8 - 1
MAX_CHROMA_LOCATION = 6

# The network. All grids and layers of a segment together: 1 GiB as float32.
MAX_PARAMETERS = 2**28
# Channels of any grid level or stage. The paper's largest network has 768.
MAX_CHANNELS = 2**12
# Stages of upsampling, and levels of a grid pyramid. The paper has 4 of each.
MAX_STAGES = 8
MAX_LEVELS = 8
# Upsampling factor of one stage, blocks in one stage, widening inside a block. The paper: 3, 3 and 4.
MAX_STRIDE = 16
MAX_DEPTH = 64
MAX_EXPANSION = 16

# Magnitudes of coded symbols are below this. No trained parameter comes near, and sums of thousands of them stay
# below 2**53, hence exact in float64.
MAX_SYMBOL = 2**20
# Side information, the context network's weights among it: every partial sum of that network stays below 2**24,
# hence exact in float32 (SPEC section 6.6).
MAX_SIDE_VALUE = 2**10 - 1
