import { SegmentedControl, TextInput } from '@mantine/core';
import { useState } from 'react';
import { Card } from '../components/card.tsx';
import { Empty } from '../components/empty.tsx';
import { ErrorNote } from '../components/error_note.tsx';
import { PageHead } from '../components/page_head.tsx';
import { Groups } from './groups.tsx';
import { Records } from './records.tsx';
import { type Filter, type Group, keyOf, said, type State } from './types.ts';
import { useDesk } from './use_desk.ts';
import { Workbench } from './workbench.tsx';
import styles from './quarantine.module.css';

const states: { value: State; label: string }[] = [
  { value: 'waiting', label: 'Waiting' },
  { value: 'replayed', label: 'Replayed' },
  { value: 'dropped', label: 'Dropped' },
  { value: 'all', label: 'All' },
];

/** What was refused: look through it, mend it, have it taken in, or drop it with a note. */
export default function Quarantine() {
  const [state, setState] = useState<State>('waiting');
  const [text, setText] = useState('');
  const [group, setGroup] = useState<Group>();
  const [chosen, setChosen] = useState<ReadonlySet<string>>(new Set());
  const kinds: Filter = { state, q: text.trim() };
  const filter: Filter = group
    ? { ...kinds, stage: group.stage, code: group.code, message: group.message, source: group.source ?? '' }
    : kinds;
  const desk = useDesk(kinds, filter);
  const narrow = (change: () => void) => {
    change();
    setChosen(new Set());
  };
  const shown = desk.groups.filter((one) => !group || keyOf(one) === keyOf(group));
  const all = shown.reduce((sum, { records }) => sum + Number(records), 0);
  return (
    <div className={styles.page}>
      <PageHead title="Quarantine" note="What was refused, with the reason, as it came. Nothing of it is lost." />
      <div className={styles.filters}>
        <SegmentedControl
          aria-label="State"
          className={styles.states}
          data={states}
          value={state}
          onChange={(value) => narrow(() => (setState(value as State), setGroup(undefined)))}
        />
        <TextInput
          aria-label="Find a text"
          placeholder="Text in the reason, the place, the message id or the bytes"
          value={text}
          maxLength={200}
          onChange={({ currentTarget }) => narrow(() => setText(currentTarget.value))}
        />
      </div>
      {desk.error && <ErrorNote retry={desk.refresh}>{desk.error}</ErrorNote>}
      <Groups
        groups={desk.groups}
        loaded={desk.loaded}
        current={group && keyOf(group)}
        choose={(one) => narrow(() => setGroup(group && one && keyOf(one) === keyOf(group) ? undefined : one))}
      />
      {desk.entries.length > 0 && (
        <>
          <Records desk={desk} chosen={chosen} choose={setChosen} />
          <Workbench
            key={`${state} ${group && keyOf(group)}`}
            state={state}
            count={chosen.size || all}
            target={chosen.size > 0 ? { records: [...chosen] } : { filter: said(filter) }}
            chosen={chosen.size > 0}
            done={() => narrow(desk.refresh)}
          />
        </>
      )}
      {desk.loaded && desk.entries.length === 0 && desk.groups.length > 0 && (
        <Card title="Records">
          <Empty>No record of that kind.</Empty>
        </Card>
      )}
    </div>
  );
}
