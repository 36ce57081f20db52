import { ActionIcon, Button, NativeSelect, SegmentedControl, TextInput, UnstyledButton } from '@mantine/core';
import { type FormEvent, useEffect, useState } from 'react';
import { Icon } from '../brand/icons.tsx';
import { Card } from '../components/card.tsx';
import { counted } from '../lib/format.ts';
import type { CallError } from '../lib/http.ts';
import { Art } from '../shop/art.tsx';
import { nameOf } from '../shop/types.ts';
import { findItems, findPeople, type KnownVisitor } from './choices.ts';
import { lengths, type Placement, placements, type Question, withItem, withoutItem } from './question.ts';
import { useItems } from './use_items.ts';
import styles from './recommend.module.css';

interface QuestionProps {
  question: Question;
  change: (next: Question) => void;
}

/** Who asks, from where, after which clicks, for what. */
export function QuestionCard({ question, change, error }: QuestionProps & { error: CallError | undefined }) {
  const set = (part: Partial<Question>) => change({ ...question, ...part });
  const ofFilter = error?.status === 400 && question.filter !== '' ? error.message : undefined;
  return (
    <Card title="The question">
      <div className={styles.form}>
        <PersonField question={question} change={change} />
        <div>
          <span className={styles.label} id="placement">
            Where
          </span>
          <SegmentedControl
            fullWidth
            aria-labelledby="placement"
            data={[...placements]}
            value={question.placement}
            onChange={(placement) => set({ placement: placement as Placement })}
          />
        </div>
        <Visit question={question} change={change} />
        <div className={styles.row}>
          <Typed label="Country" placeholder="any" value={question.country} keep={(country) => set({ country })} />
          <NativeSelect
            label="How many"
            rightSection={<Icon name="down" size={15} />}
            rightSectionPointerEvents="none"
            data={lengths.map(String)}
            value={String(question.n)}
            onChange={({ currentTarget }) => set({ n: Number(currentTarget.value) })}
          />
        </div>
        <Typed
          label="Filter"
          placeholder="price<50,!seen"
          value={question.filter}
          error={ofFilter}
          keep={(filter) => set({ filter })}
        />
      </div>
    </Card>
  );
}

/** A field that takes effect when one is done with it. */
function Typed({
  label,
  value,
  keep,
  placeholder,
  error,
}: {
  label: string;
  value: string;
  keep: (value: string) => void;
  placeholder: string;
  error?: string;
}) {
  const [text, setText] = useState(value);
  useEffect(() => setText(value), [value]);
  const done = (event?: FormEvent) => {
    event?.preventDefault();
    if (text.trim() !== value) keep(text.trim());
  };
  return (
    <form onSubmit={done} className={styles.field}>
      <TextInput
        label={label}
        placeholder={placeholder}
        value={text}
        error={error}
        maxLength={1000}
        spellCheck={false}
        onChange={({ currentTarget }) => setText(currentTarget.value)}
        onBlur={() => done()}
      />
    </form>
  );
}

function Close({ label, onClick }: { label: string; onClick: () => void }) {
  return (
    <ActionIcon variant="subtle" color="gray" className={styles.close} aria-label={label} onClick={onClick}>
      <Icon name="close" size={14} />
    </ActionIcon>
  );
}

/** Results of a search that runs while one types; the last one's alone. */
function useFound<T>(find: (text: string) => Promise<T[]>, text: string): { found: T[]; failed: boolean } {
  const [state, setState] = useState<{ found: T[]; failed: boolean }>({ found: [], failed: false });
  useEffect(() => {
    let current = true;
    const keep = (found: T[], failed: boolean) => current && setState({ found, failed });
    const timer = setTimeout(() => {
      find(text.trim()).then(
        (found) => keep(found, false),
        () => keep([], true),
      );
    }, 150);
    return () => {
      current = false;
      clearTimeout(timer);
    };
  }, [find, text]);
  return state;
}

function PersonField({ question, change }: QuestionProps) {
  const [text, setText] = useState(question.user);
  const { found: people } = useFound<KnownVisitor>(findPeople, text === question.user ? '' : text);
  useEffect(() => setText(question.user), [question.user]);
  const choose = (user: string) => change({ ...question, user });
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        choose(text.trim());
      }}
    >
      <TextInput
        label="Who"
        description="A person’s id, or nobody: somebody new."
        placeholder="somebody new"
        value={text}
        maxLength={200}
        spellCheck={false}
        onChange={({ currentTarget }) => setText(currentTarget.value)}
        onBlur={() => text.trim() === '' && question.user !== '' && choose('')}
        rightSection={question.user !== '' && <Close label="Ask for somebody new" onClick={() => choose('')} />}
      />
      <ul className={styles.chips} aria-label="People">
        {people.slice(0, 8).map(({ id, events }) => (
          <li key={id}>
            <UnstyledButton
              className={styles.chip}
              aria-pressed={id === question.user}
              title={counted(events, 'event')}
              onClick={() => choose(id)}
            >
              {id}
            </UnstyledButton>
          </li>
        ))}
      </ul>
    </form>
  );
}

/** What was clicked so far, and things to click. */
function Visit({ question, change }: QuestionProps) {
  const [text, setText] = useState('');
  const { found, failed } = useFound(findItems, text);
  const items = useItems([...question.items, ...found]);
  const name = (id: string) => nameOf(items.get(id)!);
  return (
    <div className={styles.visit}>
      <div className={styles.between}>
        <span className={styles.label}>Clicked in this visit</span>
        {question.items.length > 0 && (
          <Button size="compact-sm" variant="subtle" onClick={() => change({ ...question, items: [] })}>
            Begin anew
          </Button>
        )}
      </div>
      <ol className={styles.trail} aria-label="Clicked, the oldest first" data-testid="trail">
        {question.items.map((id) => (
          <li key={id} className={styles.step}>
            <span className={styles.small}>
              <Art id={id} name={name(id)} />
            </span>
            {name(id)}
            <Close label={`Take out ${name(id)}`} onClick={() => change(withoutItem(question, id))} />
          </li>
        ))}
        {question.items.length === 0 && <li className={styles.quiet}>Nothing yet. Click something below.</li>}
      </ol>
      <TextInput
        aria-label="Find something to click"
        placeholder="Find something to click"
        value={text}
        maxLength={100}
        spellCheck={false}
        onChange={({ currentTarget }) => setText(currentTarget.value)}
      />
      <ul className={styles.shelf} aria-label="Things to click" data-testid="things">
        {found.slice(0, 12).map((id) => (
          <li key={id}>
            <UnstyledButton className={styles.thing} onClick={() => change(withItem(question, id))}>
              <span className={styles.picture}>
                <Art id={id} name={name(id)} />
              </span>
              <span className={styles.caption}>{name(id)}</span>
            </UnstyledButton>
          </li>
        ))}
        {found.length === 0 && <li className={styles.quiet}>{emptyWords(text, failed)}</li>}
      </ul>
    </div>
  );
}

function emptyWords(text: string, failed: boolean): string {
  if (failed) return 'The tables cannot be asked now. Items can still be named in the address.';
  return text ? 'Nothing in the catalogue is called so.' : 'The catalogue is empty: PUT /v1/items fills it.';
}
