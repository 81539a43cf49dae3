"""Check the private names of TRL and Transformers that the library relies on: python .ci/pins.py

1. Whatever the library touches is in the table of `small_math_r1.training.internals`.
2. The table holds for the installed versions, and for the lowest and the highest published version that each pin in
   settings.ini allows. Those are downloaded as wheels, unpacked and read; nothing of them is imported.
Without a package index the second part cannot be made: the exit status is then 77.
"""
import configparser
import re
import subprocess
import sys
import tempfile
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from packaging.requirements import Requirement
from packaging.version import Version

from small_math_r1.training.internals import INTERNALS, PACKAGES, faults, untabled

root = Path(__file__).resolve().parents[1]


def pip(*arguments: str) -> subprocess.CompletedProcess:
    command = [sys.executable, '-m', 'pip', '--disable-pip-version-check', *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=240)


def ends(requirement: Requirement) -> list[str]:
    "Lowest and highest published version that a pin allows"
    asked = pip('index', 'versions', requirement.name, '--retries', '1', '--timeout', '15')
    published = re.search(r'Available versions: (.*)', asked.stdout)
    if not published:
        print('no package index can be reached:', ' '.join(asked.stderr.split())[-200:])
        sys.exit(77)
    allowed = sorted(requirement.specifier.filter(published[1].split(', ')), key=Version)
    if not allowed: sys.exit(f'no published version of {requirement.name} is in {requirement.specifier}')
    return sorted({allowed[0], allowed[-1]}, key=Version)


def wrong_in(name: str, version: str, folder: Path) -> list[str]:
    "Download and unpack a version, and compare the table with it"
    wheel = folder/f'{name}-{version}'
    got = pip('download', '-q', '--no-deps', '--only-binary', ':all:', '-d', str(wheel), f'{name}=={version}')
    if got.returncode != 0: return [f'{name} {version} cannot be downloaded: {got.stderr.strip()[-300:]}']
    modules = tuple(row.place.partition(':')[0].replace('.', '/') for row in INTERNALS)
    with zipfile.ZipFile(next(wheel.glob('*.whl'))) as archive:
        archive.extractall(wheel/'unpacked', [member for member in archive.namelist() if member.startswith(modules)])
    return [f'{name} {version}: {sentence}' for sentence in faults(wheel/'unpacked', package=name)]


wrong = untabled(root/'small_math_r1') + [f'installed: {sentence}' for sentence in faults()]
if wrong: sys.exit('\n'.join(wrong))

settings = configparser.ConfigParser()
settings.read(root/'settings.ini', encoding='utf-8')
pins = [Requirement(text) for text in settings['DEFAULT']['requirements'].split()]
pins = [pin for pin in pins if pin.name in PACKAGES and any(row.place.startswith(f'{pin.name}.') for row in INTERNALS)]
with ThreadPoolExecutor(4) as pool, tempfile.TemporaryDirectory() as folder:
    versions = [(pin.name, version) for pin, found in zip(pins, pool.map(ends, pins)) for version in found]
    wrong = sum(pool.map(lambda pair: wrong_in(*pair, Path(folder)), versions), [])
if wrong: sys.exit('\n'.join(wrong))
print(f'{len(INTERNALS)} names in {", ".join(map(" ".join, versions))}')
