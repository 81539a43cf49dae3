from configparser import ConfigParser
from pathlib import Path

from setuptools import find_packages, setup

root = Path(__file__).parent
config = ConfigParser(delimiters=['='])
config.read(root/'settings.ini', encoding='utf-8')
cfg = config['DEFAULT']
package = cfg['lib_path']

setup(
    name=cfg['lib_name'], version=cfg['version'], description=cfg['description'], keywords=cfg['keywords'],
    long_description=(root/'README.md').read_text(encoding='utf-8'), long_description_content_type='text/markdown',
    author=cfg['author'], url=cfg['git_url'], license='Apache-2.0',
    packages=find_packages(include=[package, package + '.*']),
    package_data={package: ['tiny/*']},  # The base checkpoint of the `tiny` profile
    python_requires='>=' + cfg['min_python'],
    install_requires=cfg['requirements'].split(),
    extras_require={name: cfg[f'{name}_requirements'].split() for name in ('dev', 'video')},
    entry_points={
        'console_scripts': [f"{cfg['lib_name']}={package}.cli:main"],
        'nbdev': [f'{package}={package}._modidx:d'],
    },
)
