// URL: the engine's own, and what it leaves out.

URL.canParse ??= function canParse(url, base) {
  return URL.parse(url, base) !== null;
};

URL.parse ??= function parse(url, base) {
  try {
    return new URL(url, base);
  } catch {
    return null;
  }
};
