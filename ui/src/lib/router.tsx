import { type AnchorHTMLAttributes, type MouseEvent, useSyncExternalStore } from 'react';

/** Pages are paths; moving between them does not load anew. */

const moved = 'millrace:moved';

export function navigate(to: string, { replace = false } = {}): void {
  history[replace ? 'replaceState' : 'pushState'](null, '', to);
  dispatchEvent(new Event(moved));
  if (!replace) scrollTo({ top: 0 });
}

function subscribe(onChange: () => void): () => void {
  addEventListener('popstate', onChange);
  addEventListener(moved, onChange);
  return () => {
    removeEventListener('popstate', onChange);
    removeEventListener(moved, onChange);
  };
}

/** Where we are, as path and query: "/shop?category=Garden". */
export function useLocation(): URL {
  return new URL(useSyncExternalStore(subscribe, () => location.href));
}

/** A link within the page's own paths. With a modifier key it stays the browser's link. */
export function Link({ href, onClick, ...rest }: AnchorHTMLAttributes<HTMLAnchorElement> & { href: string }) {
  const follow = (event: MouseEvent<HTMLAnchorElement>) => {
    onClick?.(event);
    if (
      event.defaultPrevented ||
      event.button !== 0 ||
      event.metaKey ||
      event.ctrlKey ||
      event.shiftKey ||
      event.altKey
    )
      return;
    event.preventDefault();
    navigate(href);
  };
  return <a href={href} onClick={follow} {...rest} />;
}
