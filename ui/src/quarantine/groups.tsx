import { UnstyledButton } from '@mantine/core';
import { Card } from '../components/card.tsx';
import { Empty } from '../components/empty.tsx';
import lists from '../flow/lists.module.css';
import { count, dateAndTime } from '../lib/format.ts';
import { type Group, keyOf } from './types.ts';
import styles from './quarantine.module.css';

interface GroupsProps {
  groups: Group[];
  loaded: boolean;
  current: string | undefined;
  choose: (group: Group | undefined) => void;
}

/** Alike ones together; pressed, only those are shown below, and pressed again all. */
export function Groups({ groups, loaded, current, choose }: GroupsProps) {
  return (
    <Card title="Kinds of mistakes" note="Press one to see its records alone.">
      {groups.length === 0 ? (
        <Empty>{loaded ? 'Nothing here.' : ''}</Empty>
      ) : (
        <ul className={lists.list} data-testid="groups">
          {groups.map((group) => (
            <li key={keyOf(group)}>
              <UnstyledButton
                className={`${lists.row} ${lists.pressable} ${styles.group}`}
                aria-pressed={current === keyOf(group)}
                onClick={() => choose(group)}
              >
                <span className={lists.words}>
                  <strong className={lists.wrap}>{group.message}</strong>
                  <small>
                    at {group.stage} · {group.code}
                    {group.source && ` · from ${group.source}`} · {dateAndTime(group.newest)}
                  </small>
                </span>
                <span className={lists.figure}>
                  <strong>{count(Number(group.records))}</strong>
                  <small>{Number(group.records) === 1 ? 'record' : 'records'}</small>
                </span>
              </UnstyledButton>
            </li>
          ))}
        </ul>
      )}
    </Card>
  );
}
