// What the services of Intl share.

export const LOCALE = "en-US";

export function canonical(locales) {
  return [locales ?? []].flat().map((tag) => {
    if (!/^[a-z]{2,8}(?:-[a-z0-9]{1,8})*$/i.test(String(tag))) throw new RangeError(`Incorrect locale information provided: ${tag}`);
    return String(tag);
  });
}

export class Service {
  constructor(locales, options = {}) {
    canonical(locales);
    this.options = options ?? {};
  }
  resolvedOptions() {
    return { locale: LOCALE, numberingSystem: "latn", ...this.options };
  }
  static supportedLocalesOf(locales) {
    return canonical(locales).filter((tag) => tag.toLowerCase().startsWith("en"));
  }
}
