import { Button, TextInput, UnstyledButton } from '@mantine/core';
import { type FormEvent, useEffect, useRef, useState } from 'react';
import { BarList } from '../components/bar_list.tsx';
import { Card } from '../components/card.tsx';
import { CallError } from '../lib/http.ts';
import { Failure } from './failure.tsx';
import { type Answer, idsOf, type NamedItem, popularItems, recommend } from './recommend.ts';
import styles from './try_it.module.css';

/** Someone met these items: what does the served version say? */
export function TryIt({ name, version }: { name: string; version: string }) {
  const [text, setText] = useState('');
  const [popular, setPopular] = useState<NamedItem[]>([]);
  const [answer, setAnswer] = useState<Answer>();
  const [error, setError] = useState<CallError>();
  const asked = useRef(0);
  useEffect(() => {
    popularItems().then(setPopular, () => {});
  }, []);

  const ask = async (items: string[]) => {
    const turn = ++asked.current;
    try {
      const found = await recommend(name, items);
      if (turn !== asked.current) return;
      setAnswer(found);
      setError(undefined);
    } catch (failure) {
      if (turn === asked.current) setError(failure as CallError);
    }
  };
  const submit = (event: FormEvent) => {
    event.preventDefault();
    void ask(idsOf(text));
  };
  const met = idsOf(text);
  const toggle = (id: string) => {
    const next = met.includes(id) ? met.filter((one) => one !== id) : [...met, id];
    setText(next.join(', '));
    if (next.length > 0) void ask(next);
  };
  return (
    <Card title="Try it" note={`What version ${version} recommends to someone who met these items, the oldest first.`}>
      <form className={styles.form} onSubmit={submit}>
        <TextInput
          label="Items met"
          description="Ids, with commas between them."
          value={text}
          maxLength={2000}
          spellCheck={false}
          className={styles.items}
          onChange={({ currentTarget }) => setText(currentTarget.value)}
        />
        <Button type="submit" disabled={met.length === 0}>
          Recommend
        </Button>
      </form>
      {popular.length > 0 && (
        <ul className={styles.popular} aria-label="Items that many met">
          {popular.map((item) => (
            <li key={item.id}>
              <UnstyledButton
                className={styles.chip}
                aria-pressed={met.includes(item.id)}
                title={item.id}
                onClick={() => toggle(item.id)}
              >
                {item.name}
              </UnstyledButton>
            </li>
          ))}
        </ul>
      )}
      {error && <Failure error={error} />}
      {answer && met.length > 0 && <Recommended answer={answer} />}
    </Card>
  );
}

function Recommended({ answer: { items, unknown } }: { answer: Answer }) {
  return (
    <div className={styles.answer} data-testid="recommended" role="status">
      {unknown.length > 0 && (
        <p className={styles.unknown}>
          It does not know {unknown.join(', ')}: nobody had met {unknown.length === 1 ? 'that' : 'those'} in its
          training.
        </p>
      )}
      {items.length === 0 ? (
        <p>It has nothing to recommend.</p>
      ) : (
        <BarList
          label="Recommended"
          bars={items.map(({ id, name, score }) => ({
            key: id,
            label: name,
            note: name === id ? undefined : id,
            value: score,
          }))}
          words={scoreWords}
        />
      )}
    </div>
  );
}

const fourFigures = new Intl.NumberFormat(undefined, { minimumSignificantDigits: 4, maximumSignificantDigits: 4 });

/** Scores of one kind of model have a scale of their own: as many figures for all. */
const scoreWords = (score: number): string => fourFigures.format(score);
