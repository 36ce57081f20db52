import { Card } from '../components/card.tsx';
import { Empty } from '../components/empty.tsx';
import { BarList } from '../components/bar_list.tsx';
import { DataTable } from '../components/data_table.tsx';
import { count } from '../lib/format.ts';
import { type Snapshot, windowWords } from './types.ts';

const shownMax = 9;

/** Which pages are looked at. */
export function Pages({ snapshot }: { snapshot: Snapshot }) {
  const { pages, window } = snapshot;
  const table = (
    <DataTable
      caption="Views of each page"
      rows={pages}
      keyOf={(page) => page.path}
      columns={[
        { head: 'Page', cell: (page) => page.path || '(no path)' },
        { head: 'Views', cell: (page) => count(page.views), figure: true },
      ]}
    />
  );
  return (
    <Card title="Visits by page" note={`Views in ${windowWords(window)}`} table={pages.length > 0 && table}>
      {pages.length === 0 ? (
        <Empty>No page was viewed in {windowWords(window)}.</Empty>
      ) : (
        <BarList
          label="Views of each page"
          bars={pages
            .slice(0, shownMax)
            .map((page) => ({ key: page.path, label: page.path || '(no path)', value: page.views }))}
        />
      )}
    </Card>
  );
}
