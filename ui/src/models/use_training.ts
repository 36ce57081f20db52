import { useCallback, useEffect, useRef, useState } from 'react';
import { CallError, callLines } from '../lib/http.ts';
import { advance, atFirst, type Progress, type TrainingLine } from './progress.ts';
import { apiOf } from './types.ts';

export type Deploy = 'if_good' | 'never' | 'always';

/** A training that was begun on this page. */
export interface Run {
  name: string;
  began: number;
  progress: Progress;
  state: 'running' | 'done' | 'failed' | 'stopped';
  result?: { version: string; deployed: boolean; gate: string };
  error?: CallError;
}

export interface TrainingDesk {
  run: Run | undefined;
  start: (name: string, deploy: Deploy) => void;
  /** End it: the server gives it up, and nothing of it is kept. */
  stop: () => void;
  forget: () => void;
}

/** Trains one model at a time, as the server does. Who leaves the page ends it. `onEnd` hears that there may be news. */
export function useTraining(onEnd: () => void): TrainingDesk {
  const [run, setRun] = useState<Run>();
  const abort = useRef<AbortController>(undefined);
  const ended = useRef(onEnd);
  ended.current = onEnd;

  const start = useCallback((name: string, deploy: Deploy) => {
    abort.current?.abort();
    const mine = (abort.current = new AbortController());
    const change = (with_: (old: Run) => Run) => mine === abort.current && setRun((old) => old && with_(old));
    setRun({ name, began: Date.now(), progress: atFirst, state: 'running' });
    const onLine = (line: TrainingLine) =>
      change((old) => {
        if ('progress' in line) return { ...old, progress: advance(old.progress, line.progress.step) };
        if ('result' in line) return { ...old, state: 'done', result: line.result };
        return { ...old, state: 'failed', error: new CallError(400, line.error.message) };
      });
    callLines<TrainingLine>(`${apiOf(name)}/train?deploy=${deploy}`, onLine, mine.signal)
      .then(() => broken)
      .catch((failure: CallError) => failure)
      .then((error) => {
        // A result or an error has come before the end, else it was cut off.
        change((old) => (old.state === 'running' ? { ...old, state: 'failed', error } : old));
        ended.current();
      });
  }, []);
  const stop = useCallback(() => {
    setRun((old) => old && { ...old, state: 'stopped' });
    abort.current?.abort();
  }, []);
  const forget = useCallback(() => setRun(undefined), []);
  useEffect(() => () => abort.current?.abort(), []);
  const running = run?.state === 'running';
  useEffect(() => {
    if (!running) return;
    // Closing the window would end it: the browser asks.
    const ask = (event: BeforeUnloadEvent) => event.preventDefault();
    addEventListener('beforeunload', ask);
    return () => removeEventListener('beforeunload', ask);
  }, [running]);
  return { run, start, stop, forget };
}

const broken = new CallError(0, 'The server ended before the training did.');
