test("numbers are formatted in English", () => {
  assert.equal((1234567.891).toLocaleString(), "1,234,567.891");
  assert.equal((-0.5).toLocaleString("en-US", { style: "percent" }), "-50%");
  assert.equal(new Intl.NumberFormat("en-US", { style: "currency", currency: "USD" }).format(1234.5), "$1,234.50");
  assert.equal(new Intl.NumberFormat("en", { style: "currency", currency: "JPY" }).format(1234.5), "¥1,235");
  assert.equal(Intl.NumberFormat("en", { notation: "compact" }).format(1234567), "1.2M");
  assert.equal(new Intl.NumberFormat("en", { minimumFractionDigits: 2 }).format(1.005), "1.005");
  assert.equal(new Intl.NumberFormat("en", { maximumFractionDigits: 2 }).format(1.005), "1.01");
  assert.equal(new Intl.NumberFormat("en", { maximumSignificantDigits: 3 }).format(123456), "123,000");
  assert.equal((12345678901234567890n).toLocaleString(), "12,345,678,901,234,567,890");
  assert.equal((5).toLocaleString("en", { minimumIntegerDigits: 2 }), "05");
  assert.equal(NaN.toLocaleString(), "NaN");
});

test("dates are formatted in English and UTC", () => {
  const date = new Date(Date.UTC(2024, 1, 28, 15, 4, 5, 6));
  assert.equal(date.toLocaleDateString(), "2/28/2024");
  assert.equal(date.toLocaleTimeString("en-US"), "3:04:05 PM");
  assert.equal(date.toLocaleString("en-US"), "2/28/2024, 3:04:05 PM");
  assert.equal(date.toLocaleDateString("en-US", { dateStyle: "full" }), "Wednesday, February 28, 2024");
  assert.equal(date.toLocaleDateString("en-US", { month: "short", day: "numeric" }), "Feb 28");
  assert.equal(date.toLocaleTimeString("en-US", { hour: "2-digit", minute: "2-digit", hour12: false }), "15:04");
  const parts = new Intl.DateTimeFormat("en-US", { year: "numeric", month: "2-digit", day: "2-digit" }).formatToParts(date);
  assert.equal(parts.map(({ type }) => type).join(), "month,literal,day,literal,year");
  assert.equal(new Intl.DateTimeFormat().resolvedOptions().timeZone, "UTC");
  assert.throws(() => date.toLocaleString("en-US", { timeZone: "Europe/Berlin" }), /UTC only/);
  assert.throws(() => new Intl.DateTimeFormat().format(NaN), RangeError);
});

test("words are compared, counted, listed and split", () => {
  assert.deepEqual(["b", "a", "B", "ä", "A"].sort(new Intl.Collator("en").compare), ["a", "A", "ä", "b", "B"]);
  assert.deepEqual(["a10", "a9"].sort(new Intl.Collator("en", { numeric: true }).compare), ["a9", "a10"]);
  assert.equal("a".localeCompare("A", "en", { sensitivity: "base" }), 0);
  assert.equal("a".localeCompare("b"), -1);
  assert.equal(new Intl.PluralRules("en", { type: "ordinal" }).select(22), "two");
  assert.equal(new Intl.ListFormat("en").format(["a", "b", "c"]), "a, b, and c");
  assert.equal(new Intl.RelativeTimeFormat("en", { numeric: "auto" }).format(-1, "day"), "yesterday");
  assert.equal(new Intl.RelativeTimeFormat("en").format(3, "hours"), "in 3 hours");
  assert.deepEqual([...new Intl.Segmenter("en").segment("e\u0301👨‍👩‍👧x")].map(({ segment }) => segment), ["e\u0301", "👨‍👩‍👧", "x"]);
  assert.throws(() => new Intl.NumberFormat("not a locale"), RangeError);
});
