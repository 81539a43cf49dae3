"""Start JupyterLab on a free local port, ask it for a notebook, stop it: lab.py NOTEBOOK"""
import json
import secrets
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

notebook = sys.argv[1]
token = secrets.token_hex(16)
with socket.socket() as probe:
    probe.bind(('127.0.0.1', 0))
    port = probe.getsockname()[1]
command = [sys.executable, '-m', 'jupyter', 'lab', '--no-browser', '--allow-root', '--ServerApp.ip=127.0.0.1']
command += [f'--ServerApp.port={port}', '--ServerApp.port_retries=0', f'--IdentityProvider.token={token}']
server = subprocess.Popen(
    command,
    stdout=subprocess.PIPE,
    stderr=subprocess.STDOUT,
    text=True,
)


def get(path: str) -> bytes:
    "The body of a page, which must come with status 200"
    request = urllib.request.Request(f'http://127.0.0.1:{port}{path}', headers={'Authorization': f'token {token}'})
    with urllib.request.urlopen(request, timeout=30) as answer:
        if answer.status != 200: raise RuntimeError(f'{path} answered {answer.status}')
        return answer.read()


try:
    deadline = time.monotonic() + 120
    while True:
        try:
            get('/api/status')
            break
        except (urllib.error.URLError, ConnectionError):
            if server.poll() is not None or time.monotonic() > deadline: raise
            time.sleep(0.5)  # Not listening yet
    cells = json.loads(get(f'/api/contents/{notebook}'))['content']['cells']
    page = get('/lab')
    print(f'JupyterLab serves {notebook} with {len(cells)} cells, its page has {len(page)} bytes')
except Exception:
    server.terminate()
    print(server.communicate(timeout=30)[0], file=sys.stderr)
    raise
finally:
    server.terminate()
    server.wait(timeout=30)
