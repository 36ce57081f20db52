import { useEffect, useState } from 'react';
import { call } from '../lib/http.ts';
import { follow } from '../lib/live.ts';

/** A line of the log: its members, and the fields that belong to it. */
export interface LogLine {
  position: string;
  time: string;
  level: 'debug' | 'info' | 'warning' | 'error';
  component: string;
  message: string;
  [field: string]: string | number | boolean;
}

export interface LogFilter {
  level: string;
  component: string;
  text: string;
}

interface Page {
  lines: LogLine[];
  cursor: string | null;
  end: string;
}

const shownMax = 500;
const pageLines = 100;

/** "events:0:1234". */
export const isRecordId = (text: string): boolean => /^[\w.-]+:\d+:\d+$/.test(text);

/** The parameters of GET /v1/logs for a filter. What is typed is a record's id, or any text. */
export function queryOf({ level, component, text }: LogFilter): string {
  const query = new URLSearchParams();
  if (level) query.set('level', level);
  if (component) query.set('component', component);
  const wanted = text.trim();
  if (wanted) query.set(isRecordId(wanted) ? 'record' : 'q', wanted);
  return query.toString();
}

/** Newest first, each line once, however it came. */
export function merged(lines: LogLine[], more: LogLine[]): LogLine[] {
  const known = new Set(lines.map(({ position }) => position));
  const fresh = more.filter(({ position }) => !known.has(position));
  return fresh.length === 0 ? lines : [...fresh, ...lines].slice(0, shownMax);
}

/** The lines that `filter` wants, followed live unless `paused`. */
export function useLogs(filter: LogFilter, paused: boolean) {
  const query = queryOf(filter);
  const [lines, setLines] = useState<LogLine[]>([]);
  const [cursor, setCursor] = useState<string | null>(null);
  const [error, setError] = useState<string>();
  const [loaded, setLoaded] = useState(false);

  useEffect(() => {
    let live: { close(): void } | undefined;
    let current = true;
    const load = async () => {
      const { body } = await call<Page>(`/v1/logs?limit=${pageLines}&${query}`);
      if (!current) return;
      setLines(body.lines);
      setCursor(body.cursor);
      setError(undefined);
      setLoaded(true);
      if (paused) return;
      const take = (event: string, data: string) => {
        if (event !== 'line') return;
        const line = JSON.parse(data) as LogLine;
        setLines((old) => merged(old, [line]));
      };
      live = follow(`/v1/logs/stream?${query}&from=${body.end}`, take, () => {});
    };
    // A moment of rest, so that not every letter typed is a question.
    const timer = setTimeout(() => load().catch((failure: Error) => current && setError(failure.message)), 150);
    return () => {
      current = false;
      clearTimeout(timer);
      live?.close();
    };
  }, [query, paused]);

  const older = async () => {
    try {
      const { body } = await call<Page>(`/v1/logs?limit=${pageLines}&cursor=${cursor}&${query}`);
      setLines((old) => [...old, ...body.lines].slice(-2 * shownMax));
      setCursor(body.cursor);
    } catch (failure) {
      setError((failure as Error).message);
    }
  };
  return { lines, cursor, error, loaded, older };
}
