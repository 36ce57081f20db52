import type { ComponentType } from 'react';

/** A page of the dashboard: an entry of the navigation, and a module of its own, fetched when it is opened. */
export interface Page {
  /** The first part of its address; what lies below it is the page's own. */
  path: `/${string}`;
  name: string;
  load: () => Promise<{ default: ComponentType }>;
}

/**
 * All pages, in the order of the navigation. The server answers these addresses with index.html, because
 * embed.mjs reads this list too; so it must stay plain TypeScript that Node can run.
 */
export const pages: Page[] = [
  { path: '/', name: 'Overview', load: () => import('./overview/overview.tsx') },
  { path: '/flow', name: 'Flow', load: () => import('./flow/flow.tsx') },
  { path: '/quarantine', name: 'Quarantine', load: () => import('./quarantine/quarantine.tsx') },
  { path: '/models', name: 'Models', load: () => import('./models/models.tsx') },
  { path: '/recommend', name: 'Recommend', load: () => import('./recommend/recommend.tsx') },
  { path: '/shop', name: 'Example shop', load: () => import('./shop/shop.tsx') },
];

/** The page that an address belongs to. */
export const pageAt = (pathname: string): Page | undefined =>
  pages.find(({ path }) => pathname === path || (path !== '/' && pathname.startsWith(`${path}/`)));
