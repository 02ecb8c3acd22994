import json
from pathlib import Path

from libs.numeric.money import cents, with_tax

from capsule import task


@task(name="main", compute="LOW", allowed_files=[{"path": "data", "mode": "ro"}])
def main(month="june", tax=19):
    """What the customers of a month owe, with tax."""
    invoices = json.loads(Path(f"data/{month}.json").read_text())
    gross = [with_tax(invoice["net"], tax) for invoice in invoices]
    return {"invoices": len(gross), "total": str(cents(sum(gross)))}
