"""Open a report in headless Chromium and check what a reader gets

browser.py REPORT.html [--screenshots DIR] | --self-test

Speaks the DevTools protocol over two pipes, so it needs Chromium and the standard library only.
"""
import argparse
import base64
import hashlib
import html
import itertools
import json
import os
import re
import select
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

FLAGS = [
    '--headless',
    '--no-sandbox',
    '--disable-gpu',
    '--disable-quic',
    '--no-first-run',
    '--disable-background-networking',
    '--disable-component-update',
    '--disable-sync',
    '--hide-scrollbars',
    '--host-resolver-rules=MAP * ~NOTFOUND',
    '--remote-debugging-pipe',
]
WIDE, NARROW = 1200, 390  # CSS pixels: a laptop, a phone
ALLOWED = r"|\s+'sha256-[A-Za-z0-9+/=]+'"  # No script, or the one that filters the list of problems
SECONDS = 60  # For each answer of the browser
INSPECT = r'''(async () => {
  const images = [...document.images];
  await Promise.all(images.map(image => image.decode().catch(() => {})));
  // What is folded away is checked too, and folded again
  const folded = [...document.querySelectorAll('details:not([open])')];
  folded.forEach(details => details.open = true);
  const all = [...document.querySelectorAll('*')];
  const addresses = ['src', 'href', 'srcset', 'action', 'data', 'poster'];
  const outside = all.flatMap(e => [...e.attributes]).filter(a => addresses.includes(a.localName))
    .map(a => a.value).filter(value => !/^(data:image\/|#)/.test(value));
  const seen = {
    title: document.title, language: document.documentElement.lang,
    headings: [...document.querySelectorAll('h1,h2,h3,h4')].map(h => +h.tagName[1]),
    images: images.length, broken: images.filter(i => !i.naturalWidth).map(i => i.alt || i.src.slice(0, 60)),
    without_alt: images.filter(i => !i.alt.trim()).length, outside: outside.map(value => value.slice(0, 80)),
    policy: [...document.querySelectorAll('meta[http-equiv=Content-Security-Policy i]')].map(m => m.content).join(' '),
    scripts: [...document.scripts].map(script => script.text),
    active: all.filter(e => /^(iframe|object|embed|link|base|svg)$/i.test(e.localName)
      || (e.localName === 'form' && !e.matches('.filters')) || (e.localName === 'script' && e.attributes.length)
      || [...e.attributes].some(a => a.localName.startsWith('on'))).map(e => e.outerHTML.slice(0, 80)),
    overflow: document.documentElement.scrollWidth - document.documentElement.clientWidth,
    widest: all.filter(e => !e.closest('.scroll, pre')
        && e.getBoundingClientRect().right > document.documentElement.clientWidth + 1)
      .map(e => e.tagName.toLowerCase()).slice(0, 3),
    ground: luminance(channels(getComputedStyle(document.body).backgroundColor)),
    text: document.body.innerText.trim().length,
    faint: all.filter(e => [...e.childNodes].some(c => c.nodeType === 3 && c.data.trim())
        && e.getClientRects().length).flatMap(contrast)
  };
  folded.forEach(details => details.open = false);
  return seen;
  function channels(colour) { return colour.match(/[\d.]+/g).map(Number); }
  function luminance(rgb) {
    const [r, g, b] = rgb.slice(0, 3).map(c => (c /= 255) <= 0.04045 ? c/12.92 : ((c + 0.055)/1.055)**2.4);
    return 0.2126*r + 0.7152*g + 0.0722*b;
  }
  function contrast(element) {
    let behind = element;
    while (behind && channels(getComputedStyle(behind).backgroundColor)[3] === 0) behind = behind.parentElement;
    const back = luminance(behind ? channels(getComputedStyle(behind).backgroundColor) : [255, 255, 255]);
    const front = luminance(channels(getComputedStyle(element).color));
    const ratio = (Math.max(back, front) + 0.05)/(Math.min(back, front) + 0.05);
    return ratio < 4.5 ? [element.textContent.trim().slice(0, 30) + ' ' + ratio.toFixed(1)] : [];
  }
})()'''


class Browser:
    "Headless Chromium: `send` a DevTools command, and find in `events` what it reported meanwhile"

    def __init__(self, process, write, read):
        self.process, self.write, self.read = process, write, read
        self.numbers, self.buffer, self.events, self.session = itertools.count(1), b'', [], None

    def send(self, method, **params):
        number = next(self.numbers)
        message = {'id': number, 'method': method, 'params': params} | (
            {'sessionId': self.session} if self.session else {}
        )
        os.write(self.write, json.dumps(message).encode() + b'\0')
        while True:
            answer = self.receive(method)
            if answer.get('id') != number: self.events.append(answer)
            elif 'error' in answer: raise RuntimeError(f"{method}: {answer['error']['message']}")
            else: return answer['result']

    def receive(self, waiting_for):
        end = time.monotonic() + SECONDS
        while b'\0' not in self.buffer:
            if not select.select([self.read], [], [], max(0, end - time.monotonic()))[0]:
                raise TimeoutError(f'Chromium gave no answer to {waiting_for} in {SECONDS} s')
            chunk = os.read(self.read, 1 << 20)
            if not chunk: raise RuntimeError(f'Chromium ended while it should answer {waiting_for}')
            self.buffer += chunk
        line, _, self.buffer = self.buffer.partition(b'\0')
        return json.loads(line)

    def wait(self, event):
        while not any(seen.get('method') == event for seen in self.events): self.events.append(self.receive(event))


@contextmanager
def chromium(program):
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        (ours_in, theirs_out), (theirs_in, ours_out) = os.pipe(), os.pipe()
        command = [program, *FLAGS, f'--user-data-dir={profile}', 'about:blank']
        # Chromium reads commands from descriptor 3 and writes answers to 4
        shell = ['sh', '-c', f'exec "$@" 3<&{theirs_in} 4>&{theirs_out}', 'sh', *command]
        process = subprocess.Popen(
            shell, pass_fds=(theirs_in, theirs_out), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        os.close(theirs_in), os.close(theirs_out)
        browser = Browser(process, ours_out, ours_in)
        try:
            target = browser.send('Target.createTarget', url='about:blank')['targetId']
            browser.session = browser.send('Target.attachToTarget', targetId=target, flatten=True)['sessionId']
            for domain in ('Page', 'Network', 'Log', 'Runtime'): browser.send(f'{domain}.enable')
            yield browser
        finally:
            os.close(ours_out), os.close(ours_in)
            try: process.wait(10)
            except subprocess.TimeoutExpired: process.kill(), process.wait()


def digest(script): return 'sha256-' + base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()


def look(browser, page, *, width, dark=False):
    "Open `page` at `width` and return what is wrong with it"
    browser.events.clear()
    browser.send(
        'Emulation.setDeviceMetricsOverride', width=width, height=800, deviceScaleFactor=1, mobile=width == NARROW
    )
    browser.send(
        'Emulation.setEmulatedMedia', features=[{'name': 'prefers-color-scheme', 'value': 'dark' if dark else 'light'}]
    )
    browser.send('Page.navigate', url=page.resolve().as_uri())
    browser.wait('Page.loadEventFired')
    result = browser.send('Runtime.evaluate', expression=INSPECT, awaitPromise=True, returnByValue=True)
    if 'exceptionDetails' in result: raise RuntimeError(result['exceptionDetails']['exception']['description'])
    seen = result['result']['value']
    params = [(event['method'], event.get('params', {})) for event in browser.events]
    urls = [value['request']['url'] for method, value in params if method == 'Network.requestWillBeSent']
    network = [url[:80] for url in urls if not url.startswith('data:') and url != page.resolve().as_uri()]
    logged = [value['entry']['text'][:120] for method, value in params if method == 'Log.entryAdded']
    logged += ['a script wrote to the console or failed' for method, _ in params
               if method in ('Runtime.consoleAPICalled', 'Runtime.exceptionThrown', 'Page.javascriptDialogOpening')]
    headings, light = seen['headings'], seen['ground'] > 0.5
    policy_of_scripts = seen['policy'].partition('script-src')[2].partition(';')[0]
    written = html.unescape(page.read_text(encoding='utf-8').partition('<title>')[2].partition('</title>')[0])
    return [
        sentence
        for wrong, sentence in [
            (not seen['title'].strip(), 'it has no title'),
            (written != seen['title'], f"its title became {seen['title']!r}: a script ran"),
            (not seen['language'], 'it names no language'),
            (
                headings.count(1) != 1 or any(b - a > 1 for a, b in zip(headings, headings[1:])),
                f'its headings skip a level or it has not one h1: {headings}',
            ),
            (not seen['images'], 'it shows no figure'),
            (seen['broken'], f"pictures do not load: {seen['broken'][:3]}"),
            (seen['without_alt'], f"{seen['without_alt']} pictures have no alt text"),
            (seen['outside'], f"it refers to something outside itself: {seen['outside'][:3]}"),
            (
                "default-src 'none'" not in seen['policy'] or not re.fullmatch(ALLOWED, policy_of_scripts),
                'its Content-Security-Policy does not forbid scripts and network',
            ),
            (
                [digest(script) for script in seen['scripts']] != re.findall("'(sha256-[^']+)'", policy_of_scripts),
                f"its scripts are not the one that its policy names: {len(seen['scripts'])} scripts",
            ),
            (seen['active'], f"it holds active elements: {seen['active'][:3]}"),
            (network, f'it asked the network for {network[:3]}'),
            (logged, f'the browser complained: {logged[:3]}'),
            (seen['overflow'] > 0, f"it is {seen['overflow']} px wider than the window ({seen['widest']})"),
            (light == dark, f"its ground is {'light' if light else 'dark'} in {'dark' if dark else 'light'} mode"),
            (seen['faint'], f"{len(seen['faint'])} texts have a contrast below 4.5: {seen['faint'][:4]}"),
            (seen['text'] < 20, 'it is empty'),
        ]
        if wrong
    ]


def screenshot(browser, path, *, width, grey=False):
    browser.send('Emulation.setEmulatedVisionDeficiency', type='achromatopsia' if grey else 'none')
    height = browser.send('Page.getLayoutMetrics')['cssContentSize']['height']
    clip = {'x': 0, 'y': 0, 'width': width, 'height': min(height, 16_000), 'scale': 1}
    shot = browser.send('Page.captureScreenshot', format='png', clip=clip, captureBeyondViewport=True)
    path.write_bytes(base64.b64decode(shot['data']))


def check(browser, page, screenshots=None):
    faults = []
    for name, width, dark, grey in (
        ('wide', WIDE, False, False),
        ('narrow', NARROW, False, False),
        ('dark', WIDE, True, False),
        ('narrow-dark', NARROW, True, False),
        ('grey', WIDE, False, True),
    ):
        if grey and not screenshots: continue
        faults += [f'{name}: {sentence}' for sentence in look(browser, page, width=width, dark=dark)]
        if screenshots: screenshot(browser, screenshots/f'{name}.png', width=width, grey=grey)
    return faults


DOT = '<img alt="a dot" src="data:image/gif;base64,R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7">'
STYLE = (
    '<style>body { background: #fff; color: #111 } @media (prefers-color-scheme: dark) { body { background: #111;'
    ' color: #eee } }</style>'
)
POLICY = (
    '<meta http-equiv="Content-Security-Policy"'
    ''' content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">'''
)
GOOD = (
    '<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport"'
    f' content="width=device-width">{POLICY}<title>t</title>{STYLE}</head><body><h1>A page that is as it should'
    f' be</h1>{DOT}</body></html>'
)
BROKEN = [  # What is changed in the good page, and a word of the complaint expected
    ('<title>t</title>', '', 'no title'),
    (' lang="en"', '', 'no language'),
    ('</h1>', '</h1><h4>x</h4>', 'skip a level'),
    (DOT, '', 'no figure'),
    ('base64,R0', 'base64,AA', 'do not load'),
    (' alt="a dot"', '', 'no alt text'),
    (POLICY, '', 'does not forbid'),
    ('</body>', '<p><a href="https://example.org/">x</a></p></body>', 'outside itself'),
    ('</body>', '<script>document.title = "x"</script></body>', 'not the one that its policy names'),
    ('</body>', '<form></form></body>', 'active elements'),
    ("style-src 'unsafe-inline'", "style-src 'unsafe-inline'; script-src 'unsafe-inline'", 'does not forbid'),
    (POLICY, '<script>document.title = "changed"</script>', 'a script ran'),
    ('</body>', '<p onclick="x()">x</p></body>', 'active elements'),
    (POLICY, '<style>html { background-image: url(https://example.org/x.png) }</style>', 'asked the network'),
    (
        '</style>',
        '</style><style>html { background-image: url(https://example.org/x.png) }</style>',
        'the browser complained',
    ),
    ('</body>', '<div style="width: 700px">x</div></body>', 'wider than the window'),
    ('#111; color: #eee', '#fff; color: #000', 'in dark mode'),
    ('</body>', '<p style="color: #888">x</p></body>', 'contrast below'),
]


def self_test(browser):
    "Every fault that is planted in a good page must be found, and none in the page itself"
    faults = []
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder)/'page.html'
        for before, after, expected in [('', '', ''), *BROKEN]:
            text = GOOD.replace(before, after) if before else GOOD
            page.write_text(text, encoding='utf-8')
            found = check(browser, page)
            if not expected: faults += [f'the good page: {sentence}' for sentence in found]
            elif text == GOOD or not any(expected in sentence for sentence in found):
                faults.append(f'{expected!r} was not found in {text!r}: {found}')
    return faults


def find_program():
    program = next(filter(None, map(shutil.which, ('chromium', 'chromium-browser', 'google-chrome', 'chrome'))), None)
    return program or sys.exit('no Chromium found: install the package chromium, or give --browser PATH')


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('report', nargs='?', type=Path)
    parser.add_argument('--screenshots', type=Path, help='folder for wide, narrow, dark, narrow-dark and grey PNGs')
    parser.add_argument(
        '--self-test', action='store_true', help='plant faults in a small page and see that each is found'
    )
    parser.add_argument('--browser', help='Chromium or Chrome, default the one found on the PATH')
    options = parser.parse_args()
    if bool(options.report) == options.self_test: parser.error('give a report or --self-test')
    if options.report and not options.report.is_file(): sys.exit(f'{options.report} is missing')
    program = options.browser or find_program()
    if options.screenshots: options.screenshots.mkdir(parents=True, exist_ok=True)
    with chromium(program) as browser:
        faults = self_test(browser) if options.self_test else check(browser, options.report, options.screenshots)
    for fault in faults: print(fault, file=sys.stderr)
    if faults: sys.exit(1)
    print(
        f'all {len(BROKEN)} planted faults found'
        if options.self_test
        else f'{options.report.name} reads well: wide, narrow, light, dark, offline, no script but the filter'
    )


if __name__ == '__main__': main()
