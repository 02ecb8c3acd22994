"""Your program, on the host: what a model wrote goes into a sandbox, and a value or a reason comes back.

$ python program.py
"""

from pathlib import Path

from capsule import run_sync

SANDBOX = Path(__file__).parent / "sandbox.py"

# What your model answered. The first is what you asked for; the others are why you want a sandbox.
ANSWERS = [
    "result = sum(row['price'] for row in rows)",
    "result = open('/etc/passwd').read()",
    "import urllib.request as web; result = web.urlopen('http://169.254.169.254/').read()",
    "import os; result = os.environ['AWS_SECRET_ACCESS_KEY']",
    "result = [0] * 10**9",
    "while True: pass",
]

for code in ANSWERS:
    outcome = run_sync(SANDBOX, args=[code, [{"price": 3}, {"price": 4}]])
    print(outcome.result if outcome.success else f"{outcome.error['error_type']}: {outcome.error['message']}")
