"""Write README.md from nbs/index.ipynb and the address of settings.ini into all notebooks; with --check, only compare.

In index.ipynb `{user}`, `{repo}`, `{branch}` and `{git_url}` are replaced by the values of settings.ini and
`{notebooks}` by a table of the numbered notebooks. Of a cell that begins with `#| echo: false` only the output is taken.
"""
import re
import sys
from configparser import ConfigParser
from pathlib import Path

import nbformat
from nbconvert import MarkdownExporter

root = Path(__file__).resolve().parents[1]
config = ConfigParser(delimiters=['='])
config.read(root/'settings.ini', encoding='utf-8')
address = {key: config['DEFAULT'][key] for key in ('user', 'repo', 'branch', 'git_url')}
version = config['DEFAULT']['version']
colab = 'https://colab.research.google.com/github/{user}/{repo}/blob/{branch}/nbs/'.format(**address)


def addressed(text: str) -> str:
    "Point the Colab links and `git+https` installs of a notebook at the repository and version of settings.ini"
    text = re.sub(r'https://colab\.research\.google\.com/github/[^/\s]+/[^/\s]+/blob/[^/\s]+/nbs/', colab, text)
    return re.sub(r'git\+https://github\.com/[\w.-]+/[\w.-]+(?:@v[\d.]+)?', f'git+{address["git_url"]}@v{version}', text)


def row(path: Path) -> str:
    "One line of the table: title, the sentence under it, and a link to Colab"
    first = nbformat.read(path, as_version=4).cells[0].source
    found = re.match(r'# (?P<title>.+)\s+> (?P<sentence>.+)', first)
    if not found: sys.exit(f"{path.name} must begin with a cell '# Title' and '> One sentence', got {first[:80]!r}")
    badge = f'[![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)]({colab}{path.name})'
    return f'| [{path.stem}]({path.name}) | **{found["title"].strip()}.** {found["sentence"].strip()} | {badge} |'


def readme() -> str:
    "The text of README.md"
    notebook = nbformat.read(root/'nbs/index.ipynb', as_version=4)
    notebook.metadata.language_info = {'name': 'python'}  # nbdev_clean drops it; the fences need it
    notebook.cells = [cell for cell in notebook.cells if not re.match(r'#\|\s*hide\b', cell.source)]
    for cell in notebook.cells:
        if re.match(r'#\|\s*echo:\s*false\b', cell.source): cell.metadata.transient = {'remove_source': True}
        cell.source = re.sub(r'(?m)\A(#\|.*\n?)+', '', cell.source)
    text, resources = MarkdownExporter().from_notebook_node(notebook)
    assert not resources['outputs'], 'index.ipynb must link figures from images/, not embed them'
    table = ['| notebook | what it is | run it |', '| --- | --- | --- |', *map(row, sorted((root/'nbs').glob('[0-9]*.ipynb')))]
    for key, value in {**address, 'notebooks': '\n'.join(table)}.items(): text = text.replace('{' + key + '}', value)
    text = re.sub(r'\]\(\.\./', '](', text)  # ../images/x.png -> images/x.png
    text = re.sub(r'\]\((?!https?:|#|images/)([\w/]+\.ipynb)', r'](nbs/\1', text)
    return re.sub(r'\n{3,}', '\n\n', text).strip() + '\n'


stale = []


def settle(path: Path, text: str) -> None:
    "Write `text`, or with --check note that the file has another"
    if path.exists() and path.read_text(encoding='utf-8') == text: return
    if '--check' in sys.argv: stale.append(path.name)
    else: path.write_text(text, encoding='utf-8')


for path in sorted((root/'nbs').glob('*.ipynb')): settle(path, addressed(path.read_text(encoding='utf-8')))
settle(root/'README.md', readme())
if stale: sys.exit(f'{", ".join(stale)}: stale, run python .ci/readme.py')
