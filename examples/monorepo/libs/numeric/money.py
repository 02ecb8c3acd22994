from decimal import ROUND_HALF_EVEN, Decimal


def cents(amount):
    """An amount, rounded to cents the way that banks do it."""
    return Decimal(str(amount)).quantize(Decimal("0.01"), rounding=ROUND_HALF_EVEN)


def with_tax(net, percent):
    """A net amount with tax on it."""
    return cents(Decimal(str(net)) * (1 + Decimal(str(percent)) / 100))
