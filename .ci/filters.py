"""Make a regraded report, open it in headless Chromium and use its filters: filters.py [--screenshots DIR]

The outputs are those of the original Small-Math-R1 if they are in a folder beside this repository, and made-up ones
otherwise; a script is planted in one of them.
"""
import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

from browser import NARROW, WIDE, chromium, find_program, screenshot

PLANTED = (
    '<script>document.title = "changed"</script><img src=x onerror="document.title = \'changed\'">'
    ' $\\text{<script>document.title = "changed"</script>}$ '
)
ORIGINAL = Path(__file__).parents[2]/'shared'/'data'/'seed_math500'
SET = '''(() => {
  const form = document.querySelector('.filters'); form.reset();
  for (const [name, value] of Object.entries(WANTED)) form.elements[name].value = value;
  form.dispatchEvent(new Event('input', {bubbles: true}));
  return new Promise(done => setTimeout(() => done([document.querySelector('#shown').textContent,
    document.querySelectorAll('.problem:not([hidden])').length]), 250));
})()'''
SEEN = '''(() => ({
  title: document.title,
  overflow: document.documentElement.scrollWidth - document.documentElement.clientWidth,
  math: document.querySelectorAll('.problem math mfrac, .problem math mi, .problem math mn').length,
  scripts: document.querySelectorAll('script').length,
  images: [...document.images].filter(image => !image.src.startsWith('data:')).length,
  shown: document.querySelector('.problem .output').textContent.includes('<script>document.title'),
  ground: getComputedStyle(document.body).backgroundColor
}))()'''


def outputs() -> dict[str, list[dict]]:
    if ORIGINAL.is_dir():
        found = {
            name: json.loads((ORIGINAL / f'eval_math500_eval_{file}Model.json').read_text(encoding='utf-8'))['results']
            for name, file in (('base', 'Base'), ('RL', 'Rf'))
        }
    else:
        rows = [
            {
                'unique_id': f'p{n}',
                'problem': f'What is $\\frac{{{2*n}}}{{2}} + {n}$?',
                'answer': str(2 * n),
                'level': 1 + n % 5,
                'subject': ('Sums', 'Fractions')[n % 2],
            }
            for n in range(1, 41)
        ]
        found = {
            'base': [
                {**row, 'output': f'It is $\\boxed{{{row["answer"]}}}$' if n % 3 else 'I am not'}
                for n, row in enumerate(rows)
            ],
            'RL': [
                {**row, 'output': f'<answer>{row["answer"] if n % 4 else 0}</answer>'} for n, row in enumerate(rows)
            ],
        }
    found['base'][0] = {**found['base'][0], 'output': PLANTED + found['base'][0]['output']}
    return found


def expected(results: dict, rows: list[dict]) -> list[tuple[dict, int]]:
    "Filters, and how many problems they must leave"
    last = list(results['graders'])[-1]
    pair = {pair['grader']: pair for pair in results['pairs']}
    level, subject = max(results['breakdown']['level']), min(results['breakdown']['subject'])
    size = lambda field, key: results['breakdown'][field][key]['base'][last]['n']
    reason = results['reasons']['base']['paper'].get('no answer', 0) + results['reasons']['base']['paper'].get(
        'truncated', 0
    )
    return [
        ({}, results['n']),
        ({'level': level}, size('level', level)),
        ({'subject': subject}, size('subject', subject)),
        ({'outcome': '1 0', 'grader': 'paper'}, pair['paper']['only_b']),
        ({'outcome': '0 1', 'grader': last}, pair[last]['only_a']),
        ({'outcome': 'differ', 'grader': last}, pair[last]['only_a'] + pair[last]['only_b']),
        ({'model': 'base', 'reason': 'no answer', 'grader': 'paper'}, reason),
        ({'search': 'onerror="document'}, 1),
        ({'search': 'no output has these words'}, 0),
        ({}, len(rows)),
    ]


def check(browser, page, results, rows, screenshots=None):
    faults = []
    for name, width, dark in (('wide', WIDE, False), ('narrow', NARROW, False), ('dark', WIDE, True)):
        browser.events.clear()
        browser.send(
            'Emulation.setDeviceMetricsOverride', width=width, height=900, deviceScaleFactor=1, mobile=width == NARROW
        )
        browser.send(
            'Emulation.setEmulatedMedia',
            features=[{'name': 'prefers-color-scheme', 'value': 'dark' if dark else 'light'}],
        )
        browser.send('Page.navigate', url=page.resolve().as_uri())
        browser.wait('Page.loadEventFired')
        def run(script):
            answer = browser.send('Runtime.evaluate', expression=script, awaitPromise=True, returnByValue=True)
            if 'exceptionDetails' in answer: raise RuntimeError(answer['exceptionDetails']['exception']['description'])
            return answer['result'].get('value')
        for wanted, count in expected(results, rows) if name == 'wide' else ():
            told, shown = run(SET.replace('WANTED', json.dumps(wanted)))
            if (told, shown) != (f'{count} of {len(rows)} problems', count):
                faults.append(f'filters {wanted} leave {shown} ({told!r}), {count} are right')
        run("document.querySelectorAll('.problem').forEach((problem, place) => problem.open = place < 2)")
        seen = run(SEEN)
        params = [(event['method'], event.get('params', {})) for event in browser.events]
        asked = [value['request']['url'][:80] for method, value in params if method == 'Network.requestWillBeSent']
        asked = [url for url in asked if not url.startswith('data:') and not page.resolve().as_uri().startswith(url)]
        logged = [
            str(value)[:200]
            for method, value in params
            if method in (
                'Log.entryAdded',
                'Runtime.consoleAPICalled',
                'Runtime.exceptionThrown',
                'Page.javascriptDialogOpening',
            )
        ]
        is_dark = sum(map(int, seen['ground'].removeprefix('rgb(').rstrip(')').split(','))) < 382
        faults += [
            f'{name}: {sentence}'
            for wrong, sentence in [
                (
                    seen['title'] != 'Small-Math-R1: outputs graded again',
                    f"its title became {seen['title']!r}: a script of an output ran",
                ),
                (seen['scripts'] != 1, f"it holds {seen['scripts']} scripts"),
                (seen['images'], 'it holds a picture from outside'),
                (not seen['shown'], 'the planted script is not shown as text'),
                (not seen['math'], 'it draws no formula'),
                (seen['overflow'] > 0, f"it is {seen['overflow']} px wider than the window"),
                (asked, f'it asked the network for {asked[:3]}'),
                (logged, f'the browser complained: {logged[:3]}'),
                (is_dark != dark, f"its ground is {seen['ground']} in {'dark' if dark else 'light'} mode"),
            ]
            if wrong
        ]
        if screenshots:
            screenshot(browser, screenshots/f'regrade-{name}.png', width=width)
            run("document.querySelector('#problems').scrollIntoView()")
    return faults


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--screenshots', type=Path, help='folder for wide, narrow and dark PNGs')
    options = parser.parse_args()
    if options.screenshots: options.screenshots.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        found = outputs()
        for name, rows in found.items():
            (Path(folder) / f'{name}.json').write_text(json.dumps({'results': rows}), encoding='utf-8')
        subprocess.run(
            ['small-math-r1', 'regrade', f'{folder}/base.json', f'{folder}/RL.json', '--report', f'{folder}/report'],
            check=True,
        )
        results = json.loads((Path(folder)/'report'/'results.json').read_text(encoding='utf-8'))
        with chromium(find_program()) as browser:
            faults = check(
                browser, Path(folder) / 'report' / 'report.html', results, found['base'], options.screenshots
            )
    for fault in faults: print(fault, file=sys.stderr)
    if faults: sys.exit(1)
    source = 'the original project' if ORIGINAL.is_dir() else 'a made-up benchmark'
    print(
        f'{len(found["base"])} problems of {source}: filters count right, formulas drawn, the planted script is text,'
        ' offline, wide, narrow, dark'
    )


if __name__ == '__main__': main()
