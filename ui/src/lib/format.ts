/** Words and figures as people read them: the viewer's language, separators and time zone. */

const locale = typeof navigator === 'undefined' ? 'en' : navigator.language;
const whole = new Intl.NumberFormat(locale, { maximumFractionDigits: 0 });
const oneDigit = new Intl.NumberFormat(locale, { minimumFractionDigits: 1, maximumFractionDigits: 1 });
const significant = new Intl.NumberFormat(locale, { maximumSignificantDigits: 2 });
const short = new Intl.NumberFormat(locale, { notation: 'compact', maximumFractionDigits: 1 });
const parts = new Intl.NumberFormat(locale, {
  style: 'percent',
  minimumFractionDigits: 1,
  maximumFractionDigits: 1,
});
const fourDigits = new Intl.NumberFormat(locale, { minimumFractionDigits: 4, maximumFractionDigits: 4 });
const signedDigits = new Intl.NumberFormat(locale, {
  minimumFractionDigits: 4,
  maximumFractionDigits: 4,
  signDisplay: 'exceptZero',
});
const clock = new Intl.DateTimeFormat(locale, { timeStyle: 'medium' });
const minute = new Intl.DateTimeFormat(locale, { timeStyle: 'short' });
const day = new Intl.DateTimeFormat(locale, { dateStyle: 'medium' });
const dayAndMinute = new Intl.DateTimeFormat(locale, { dateStyle: 'medium', timeStyle: 'short' });

/** 12345 → "12,345". */
export const count = (n: number): string => whole.format(n);

/** As `count`, but short from a hundred thousand on: for narrow columns. */
export const shortCount = (n: number): string => (n < 100_000 ? whole : short).format(n);

/** 1 → "1 view", 12345 → "12,345 views". */
export const counted = (n: number, one: string, many = `${one}s`): string => `${count(n)} ${n === 1 ? one : many}`;

/** 1234567 → "1.2M", for axes. */
export const compact = (n: number): string => short.format(n);

/** 1234567 → "1.2 MB": powers of a thousand, as disks are sold. */
export function bytes(n: number): string {
  const units = ['B', 'KB', 'MB', 'GB', 'TB', 'PB'];
  const power = n < 1000 ? 0 : Math.min(units.length - 1, Math.floor(Math.log10(n) / 3));
  const figure = n / 1000 ** power;
  return `${power === 0 || figure >= 100 ? whole.format(figure) : oneDigit.format(figure)} ${units[power]}`;
}

/** Per second or per minute: two figures when small, none behind the point when large. */
export function rate(n: number): string {
  if (n >= 100 || n === 0) return whole.format(n);
  return n >= 1 ? oneDigit.format(n) : significant.format(n);
}

/** A time in milliseconds, without its unit: 0.31, 4.2, 128. */
export const milliseconds = (ms: number): string => rate(ms);

/** 0.125 → "12.5%". */
export const percent = (part: number): string => parts.format(part);

/** A measure between 0 and 1: 0.2134. */
export const measure = (n: number): string => fourDigits.format(n);

/** A difference of two measures: +0.0312. */
export const signed = (n: number): string => signedDigits.format(n);

export const clockTime = (iso: string): string => clock.format(new Date(iso));

/** "10:04" for a Date; with its day when `withDay`. */
export const minuteTime = (at: Date, withDay: boolean): string => (withDay ? dayAndMinute : minute).format(at);

/** "12 Jan 2026, 10:04" for a time as the server writes it. */
export const dateAndTime = (iso: string): string => dayAndMinute.format(new Date(iso));

export const dayOf = (at: Date): string => day.format(at);

/**
 * Write an exact decimal ("123.4500") as money of its currency ("$123.45"), in that currency's own
 * number of digits. A currency the browser does not know is written behind the number.
 */
export function money(amount: string, currency: string, wholeOnly = false): string {
  const digits = wholeOnly ? { maximumFractionDigits: 0 } : {};
  // Intl reads decimal text exactly; TypeScript's type for it asks for a numeric literal.
  const exact = amount as Intl.StringNumericLiteral;
  try {
    return new Intl.NumberFormat(locale, { style: 'currency', currency, ...digits }).format(exact);
  } catch {
    return `${new Intl.NumberFormat(locale, { minimumFractionDigits: 2, ...digits }).format(exact)} ${currency}`.trim();
  }
}

/** A category path as people write it: "Garden/Tools" → "Garden › Tools". */
export const categoryPath = (path: string): string => path.split('/').filter(Boolean).join(' › ');
