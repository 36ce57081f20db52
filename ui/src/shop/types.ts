/** Shapes of the server's answers that the shop uses. */

export interface Item {
  id: string;
  attributes: {
    name?: string;
    category?: string;
    /** Exact: text, or a number where a producer sent one. */
    price?: string | number;
    currency?: string;
    available?: boolean;
  };
}

export interface ItemPage {
  items: Item[];
  cursor: string | null;
}

export interface RecommendedItem {
  id: string;
  score: number;
  source: string;
  reason: { code: string; text: string; because: string[] };
}

export interface RecommendationList {
  recommendation_id: string;
  model: string;
  fallback: null | 'deadline' | 'error' | 'cold';
  items: RecommendedItem[];
}

export type Placement = 'home' | 'item' | 'cart' | 'checkout';

/** Who is shopping: someone the shop knows by id, or a visitor it knows by a browser's id only. */
export interface Person {
  anonymousId: string;
  userId?: string;
  sessionId: string;
  /** What to call them on the page. */
  label: string;
}

export interface CartLine {
  id: string;
  quantity: number;
}

export const nameOf = (item: Item): string => item.attributes.name || item.id;
export const topOf = (item: Item): string => item.attributes.category?.split('/')[0] ?? '';
export const isAvailable = (item: Item): boolean => item.attributes.available !== false;
