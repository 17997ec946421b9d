"""A comparison of codecs on clips, point by point, that can be interrupted and continued."""
