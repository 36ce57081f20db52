import { Button, Popover, TextInput, UnstyledButton } from '@mantine/core';
import { useDisclosure } from '@mantine/hooks';
import { type FormEvent, type ReactNode, useEffect, useState } from 'react';
import { Icon } from '../brand/icons.tsx';
import { counted } from '../lib/format.ts';
import { customer, idOf, type KnownPerson, knownPeople, newVisitor, recentPeople } from './people.ts';
import type { Person } from './types.ts';
import styles from './person_choice.module.css';

/** Who is shopping: a button that opens a choice of people. */
export function PersonChoice({ person, onChoose }: { person: Person; onChoose: (person: Person) => void }) {
  const [open, { toggle, close }] = useDisclosure(false);
  const choose = (next: Person) => {
    close();
    onChoose(next);
  };
  return (
    <Popover opened={open} onDismiss={close} position="bottom-end" width={296} shadow="md" trapFocus returnFocus>
      <Popover.Target>
        <Button variant="default" leftSection={<Icon name="person" />} onClick={toggle} data-testid="person">
          {person.label}
        </Button>
      </Popover.Target>
      <Popover.Dropdown className={styles.choice}>
        {open && <Choice person={person} onChoose={choose} />}
      </Popover.Dropdown>
    </Popover>
  );
}

function Choice({ person, onChoose }: { person: Person; onChoose: (person: Person) => void }) {
  const [known, setKnown] = useState<KnownPerson[]>([]);
  useEffect(() => {
    // Without the right to ask, one can still type an id.
    knownPeople().then(setKnown, () => setKnown([]));
  }, []);
  const recent = recentPeople().filter((p) => idOf(p) !== idOf(person));
  const unseen = known.filter((k) => k.userId !== person.userId && !recent.some((p) => p.userId === k.userId));
  return (
    <>
      <Button fullWidth leftSection={<Icon name="plus" />} onClick={() => onChoose(newVisitor())}>
        New visitor
      </Button>
      {recent.length > 0 && (
        <Group title="Shopped here before">
          {recent.map((p) => (
            <Row key={idOf(p)} label={p.label} note={p.userId ? 'customer' : 'visitor'} onClick={() => onChoose(p)} />
          ))}
        </Group>
      )}
      {unseen.length > 0 && (
        <Group title="Customers with a history">
          {unseen.map((k) => (
            <Row
              key={k.userId}
              label={k.userId}
              note={[k.country, counted(k.orders, 'order')].filter(Boolean).join(', ')}
              onClick={() => onChoose(customer(k.userId))}
            />
          ))}
        </Group>
      )}
      <ById onChoose={onChoose} />
    </>
  );
}

function Group({ title, children }: { title: string; children: ReactNode }) {
  return (
    <div role="group" aria-label={title}>
      <p className={styles.title}>{title}</p>
      {children}
    </div>
  );
}

function Row({ label, note, onClick }: { label: string; note: string; onClick: () => void }) {
  return (
    <UnstyledButton className={styles.row} onClick={onClick}>
      <span>{label}</span>
      <small>{note}</small>
    </UnstyledButton>
  );
}

function ById({ onChoose }: { onChoose: (person: Person) => void }) {
  const [id, setId] = useState('');
  const submit = (event: FormEvent) => {
    event.preventDefault();
    onChoose(customer(id.trim()));
  };
  return (
    <form className={styles.byId} onSubmit={submit}>
      <TextInput
        label="Any customer id"
        value={id}
        onChange={(event) => setId(event.currentTarget.value)}
        autoComplete="off"
      />
      <Button type="submit" variant="default" disabled={!id.trim()}>
        Sign in
      </Button>
    </form>
  );
}
