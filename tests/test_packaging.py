"""What a user installs."""

import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).parent.parent


def test_the_wheel_holds_three_packages_and_their_data(tmp_path):
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    packages = {name.split("/")[0] for name in names if ".dist-info/" not in name}
    assert packages == {"nvrc_cli", "nvrc_core", "nvrc_formats"}
    assert {"nvrc_formats/shapes.bin", "nvrc_core/evaluation/curves/published.json"} <= set(names)
    assert any(name.endswith("licenses/LICENSE") for name in names)
