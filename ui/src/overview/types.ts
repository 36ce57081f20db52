/** The answer of GET /v1/dashboard, and each `snapshot` of its stream. Times are ISO 8601 in UTC. */
export interface Snapshot {
  version: string;
  time: string;
  uptime_s: number;
  rates: { events_per_s: number; recommendations_per_s: number };
  books: Books;
  recommendations: Served;
  window: WindowName;
  as_of: string;
  /** Views of each step of `page_views_step_s` seconds, by when it begins; the last holds `as_of`. */
  page_views_per_minute: MinuteViews[];
  page_views_step_s: number;
  pages: { path: string; views: number }[];
  popular_items: PopularItem[];
  sales_by_category: CategorySales[];
  visits_by_device: { device: string; visits: number }[];
}

/** received = logged + quarantined; logged = applied + duplicate + quarantined_later + pending. */
export interface Books {
  received: number;
  logged: number;
  quarantined: number;
  applied: number;
  duplicate: number;
  quarantined_later: number;
  pending: number;
  /** A part of applied; absent where nothing says what is late. */
  late?: number;
  balanced: boolean;
}

export interface Served {
  served: number;
  p50_ms: number;
  p99_ms: number;
  fallbacks: { deadline: number; error: number; cold: number };
}

export interface MinuteViews {
  minute: string;
  views: number;
}

export interface PopularItem {
  item_id: string;
  name: string | null;
  category: string | null;
  views: number;
  carts: number;
  purchases: number;
}

/** Revenue is an exact decimal as text. Amounts of different currencies are never added. */
export interface CategorySales {
  category: string | null;
  currency: string | null;
  orders: number;
  quantity: number | string;
  revenue: string;
}

export const windows = [
  { name: '1h', label: '1 h', words: 'the last hour' },
  { name: '24h', label: '24 h', words: 'the last 24 hours' },
  { name: '7d', label: '7 d', words: 'the last 7 days' },
  { name: '30d', label: '30 d', words: 'the last 30 days' },
  { name: 'all', label: 'All', words: 'all time' },
] as const;

export type WindowName = (typeof windows)[number]['name'];

/** Read a window's name from the address, which anyone may have typed. */
export const windowOf = (text: string | null): WindowName => windows.find((w) => w.name === text)?.name ?? '24h';

export const windowWords = (name: WindowName): string => windows.find((w) => w.name === name)!.words;
