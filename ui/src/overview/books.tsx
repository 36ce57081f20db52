import { Popover, UnstyledButton } from '@mantine/core';
import { useDisclosure } from '@mantine/hooks';
import { type PointerEvent, useRef } from 'react';
import { Card } from '../components/card.tsx';
import { Icon } from '../brand/icons.tsx';
import { DataTable } from '../components/data_table.tsx';
import { count, counted } from '../lib/format.ts';
import { flowOf, type Node, outline, type Ribbon, unaccounted } from './flow.ts';
import type { Books as BooksType } from './types.ts';
import styles from './books.module.css';

type Line = Exclude<keyof BooksType, 'balanced' | 'late'>;
const words: Record<Line, { name: string; meaning: string }> = {
  received: { name: 'Received', meaning: 'every event that reached us' },
  logged: { name: 'Logged', meaning: 'safe on disk' },
  quarantined: { name: 'Quarantined', meaning: 'refused on arrival, kept' },
  applied: { name: 'Applied', meaning: 'in the tables' },
  duplicate: { name: 'Duplicate', meaning: 'sent again, counted once' },
  quarantined_later: { name: 'Quarantined later', meaning: 'could not be loaded, kept' },
  pending: { name: 'Pending', meaning: 'on the way to the tables' },
};

/** The books: nothing that came in is lost, and everyone can check the sum. */
export function Books({ books }: { books: BooksType }) {
  const lateCount = books.late ?? 0;
  const late =
    lateCount > 0
      ? ` ${counted(lateCount, 'event')} came late and ${lateCount === 1 ? 'was' : 'were'} applied all the same.`
      : '';
  return (
    <Card
      title="The books"
      note={`Where every event went, since the first.${late}`}
      actions={<Balance books={books} />}
      table={<Ledger books={books} />}
    >
      <Picture books={books} />
      <Tree books={books} />
    </Card>
  );
}

function Balance({ books }: { books: BooksType }) {
  const [open, { toggle, open: show, close }] = useDisclosure(false);
  const missing = unaccounted(books);
  // A mouse opens it by hovering, a finger or a key by pressing; a click while hovering changes nothing.
  const hovering = useRef(false);
  const hover = (inside: boolean, then: () => void) => (event: PointerEvent) => {
    if (event.pointerType !== 'mouse') return;
    hovering.current = inside;
    then();
  };
  return (
    <Popover opened={open} onDismiss={close} width={330} position="bottom-end" withArrow shadow="md">
      <Popover.Target>
        <UnstyledButton
          className={books.balanced ? styles.balanced : styles.unbalanced}
          onClick={() => (hovering.current ? show() : toggle())}
          onPointerEnter={hover(true, show)}
          onPointerLeave={hover(false, close)}
          onKeyDown={(event) => event.key === 'Escape' && close()}
          data-testid="balance"
        >
          <Icon name={books.balanced ? 'scales' : 'warning'} size={17} />
          {books.balanced ? 'Balanced' : 'Does not add up'}
        </UnstyledButton>
      </Popover.Target>
      <Popover.Dropdown className={styles.why}>
        <p>
          {books.balanced
            ? 'Every event that came in is accounted for.'
            : missing > 0
              ? `${counted(missing, 'event')} cannot be accounted for. Run “millrace doctor”.`
              : 'Something was lost or counted twice. Run “millrace doctor”.'}
        </p>
        <p className="figures">
          {count(books.received)} received = {count(books.logged)} logged + {count(books.quarantined)} quarantined
        </p>
        <p className="figures">
          {count(books.logged)} logged = {count(books.applied)} applied + {count(books.duplicate)} duplicate +{' '}
          {count(books.quarantined_later)} quarantined later + {count(books.pending)} pending
        </p>
      </Popover.Dropdown>
    </Popover>
  );
}

/** Wide screens: streams as thick as their share. */
function Picture({ books }: { books: BooksType }) {
  const flow = flowOf(books);
  return (
    <div className={styles.picture} style={{ height: flow.height }} data-testid="books">
      {flow.columns.map((nodes, i) => (
        <div key={nodes[0]!.key} className={styles.column}>
          {i < flow.ribbons.length && <Streams ribbons={flow.ribbons[i]!} height={flow.height} />}
          <Labels nodes={nodes} />
        </div>
      ))}
    </div>
  );
}

const isRefused = (key: string) => key.startsWith('quarantined');

function Streams({ ribbons, height }: { ribbons: Ribbon[]; height: number }) {
  return (
    <svg className={styles.streams} viewBox={`0 0 100 ${height}`} preserveAspectRatio="none" aria-hidden="true">
      {ribbons.map((ribbon) => (
        <path
          key={ribbon.key}
          d={outline(ribbon, 100)}
          className={isRefused(ribbon.key) ? styles.refused : styles.stream}
        />
      ))}
    </svg>
  );
}

/** A thick stream has its label well inside; beside a thin one it stands at the top. */
const labelClass = (node: Node) => (node.value === 0 ? styles.none : node.thickness > 64 ? styles.inside : undefined);

function Labels({ nodes }: { nodes: Node[] }) {
  return (
    <dl className={styles.labels}>
      {nodes.map((node) => (
        <div key={node.key} style={{ top: node.y, minHeight: node.slot }} className={labelClass(node)}>
          <span
            className={isRefused(node.key) ? styles.gateRefused : styles.gate}
            style={{ height: node.thickness }}
            aria-hidden="true"
          />
          <dt>{words[node.key as Line].name}</dt>
          <dd data-testid={`books-${node.key}`}>{count(node.value)}</dd>
          <dd className={styles.meaning}>{words[node.key as Line].meaning}</dd>
        </div>
      ))}
    </dl>
  );
}

const treeLines: { key: Line; depth: number }[] = [
  { key: 'received', depth: 0 },
  { key: 'quarantined', depth: 1 },
  { key: 'logged', depth: 1 },
  { key: 'applied', depth: 2 },
  { key: 'duplicate', depth: 2 },
  { key: 'quarantined_later', depth: 2 },
  { key: 'pending', depth: 2 },
];

/** Narrow screens: the same as an indented account. */
function Tree({ books }: { books: BooksType }) {
  return (
    <dl className={styles.tree}>
      {treeLines.map(({ key, depth }) => (
        <div key={key} data-depth={depth} className={books[key] === 0 ? styles.none : undefined}>
          <dt>
            {words[key].name}
            <small>{words[key].meaning}</small>
          </dt>
          <dd>{count(books[key])}</dd>
          <span
            className={isRefused(key) ? styles.shareRefused : styles.share}
            style={{ width: `${(books[key] / Math.max(1, books.received)) * 100}%` }}
            aria-hidden="true"
          />
        </div>
      ))}
    </dl>
  );
}

function Ledger({ books }: { books: BooksType }) {
  const rows = treeLines.map((line) => line.key);
  return (
    <DataTable
      caption="The books, in events"
      rows={rows}
      keyOf={(key) => key}
      columns={[
        { head: 'Line', cell: (key) => words[key].name },
        { head: 'Meaning', cell: (key) => words[key].meaning },
        { head: 'Events', cell: (key) => count(books[key]), figure: true },
      ]}
    />
  );
}
