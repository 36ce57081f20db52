// Sessions in the schema of a web analytics export: numbers as texts, hits nested, custom dimensions by index.

/** The same numbers for the same seed. */
function randomNumbers(seed) {
  let state = seed >>> 0;
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

/** Make `count` sessions of a news site, each with up to 12 hits; some hits are no pages, some pages no articles. */
export function gaSessions(count, { seed = 1, start = Math.floor(Date.now() / 1000) - 86_400 } = {}) {
  const random = randomNumbers(seed);
  const visits = new Map();
  return Array.from({ length: count }, (_, i) => {
    const visitor = String(7_000_000_000 + random(Math.ceil(count / 3)));
    const visitNumber = (visits.get(visitor) ?? 0) + 1;
    visits.set(visitor, visitNumber);
    let time = 0;
    const hits = Array.from({ length: 1 + random(12) }, (__, n) => {
      const article = random(4) > 0 ? String(299_000_000 + random(40)) : undefined;
      const type = random(5) === 0 ? 'EVENT' : 'PAGE';
      const hit = {
        hitNumber: String(n + 1), time: String(time), hour: '9', minute: '30', isEntrance: n === 0, isExit: false, type,
        page: { pagePath: article ? `/a/${article}` : '/', pageTitle: article ? `Article ${article}` : 'Front page' },
        customDimensions: article
          ? [{ index: '2', value: 'Ann Author,Bob Writer' }, { index: '4', value: '2026.11.01' }, { index: '6', value: `Title ${article}, "quoted"` }, { index: '7', value: 'News' }, { index: '10', value: article }]
          : [],
      };
      if (type === 'EVENT') hit.eventInfo = { eventCategory: 'scroll', eventAction: 'half' };
      time += 1 + random(90_000);
      return hit;
    });
    return {
      visitorId: null, visitNumber: String(visitNumber), visitId: String(start + i * 40), visitStartTime: String(start + i * 40), date: '20261101',
      totals: { visits: '1', hits: String(hits.length), pageviews: String(hits.filter((hit) => hit.type === 'PAGE').length), bounces: null },
      device: { browser: 'Firefox', operatingSystem: 'Linux', isMobile: false, language: 'de-ch', deviceCategory: 'desktop' },
      geoNetwork: { country: 'Switzerland', region: 'Zurich', city: 'Zurich' },
      customDimensions: [{ index: '1', value: 'subscriber' }], fullVisitorId: visitor, userId: null, channelGrouping: 'Direct', hits,
    };
  });
}

/** What such sessions say of the time on each article: [client, article, milliseconds] of each page but the last of a visit. */
export function timesOnPage(sessions) {
  return sessions.flatMap(({ fullVisitorId, hits }) => {
    const pages = hits.filter((hit) => hit.type === 'PAGE');
    return pages.slice(0, -1).flatMap((hit, i) => {
      const article = hit.customDimensions.find(({ index }) => index === '10')?.value;
      return article ? [[fullVisitorId, article, Number(pages[i + 1].time) - Number(hit.time)]] : [];
    });
  });
}
