import { type ComponentType, lazy } from 'react';
import { Empty } from '../components/empty.tsx';

const Missing = () => <Empty>The chart could not be fetched. The table has its figures.</Empty>;

/** A chart of a chunk of its own. When that cannot be fetched, the page goes on without it. */
export function fetched<Props>(load: () => Promise<{ default: ComponentType<Props> }>) {
  return lazy(() => load().catch(() => ({ default: Missing as ComponentType<Props> })));
}
