/** Calls to the server that served this page. */
import { callWas } from './connection.ts';
import { LineParser } from './lines.ts';

const tokenKey = 'millrace-token';

/** A server that listens beyond its own machine wants a token; the viewer gives it once. */
export function keepToken(token: string): void {
  remember(tokenKey, token);
}

export function authorization(): Record<string, string> {
  const token = recall(tokenKey);
  return token ? { Authorization: `Bearer ${token}` } : {};
}

/** An answer that is not a success. `message` is fit to be shown; `status` is 0 when nothing answered. */
export class CallError extends Error {
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

export interface Answer<T> {
  body: T;
  /** From sending the request to having the whole answer, as the browser sees it. */
  tookMs: number;
}

/** Waits before trying again what the server was too busy for: it refuses at once what it cannot take. */
const retryMs = [120, 400];
const isBusy = (status: number): boolean => status === 429 || status === 503;

/**
 * Call the server and read its JSON. What it is too busy for is tried again twice, within half a second;
 * everything we send bears that, events by their message id. Rejects with CallError.
 */
export async function call<T>(path: string, init: RequestInit = {}): Promise<Answer<T>> {
  for (let attempt = 0; ; attempt++) {
    const started = performance.now();
    const response = await send(path, init);
    const text = await response.text();
    const tookMs = performance.now() - started;
    if (response.ok) return { body: JSON.parse(text) as T, tookMs };
    const waitMs = retryMs[attempt];
    if (waitMs === undefined || !isBusy(response.status)) {
      throw new CallError(response.status, messageOf(text, response.status));
    }
    await new Promise((resolve) => setTimeout(resolve, waitMs));
  }
}

/**
 * Call for an answer of JSON lines, which come as the server gets on; `onLine` gets each. Not tried again. Ends with
 * the answer, or early when `signal` says so. Rejects with CallError.
 */
export async function callLines<T>(path: string, onLine: (line: T) => void, signal: AbortSignal): Promise<void> {
  const response = await send(path, { method: 'POST', signal });
  if (!response.ok || !response.body)
    throw new CallError(response.status, messageOf(await response.text(), response.status));
  const lines = new LineParser<T>();
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      for (const line of lines.push(value)) onLine(line);
    }
  } catch {
    if (!signal.aborted) throw new CallError(0, 'The connection broke before the answer was whole.');
  }
}

async function send(path: string, init: RequestInit): Promise<Response> {
  try {
    const response = await fetch(path, { ...init, headers: { ...authorization(), ...init.headers } });
    callWas(true);
    return response;
  } catch {
    if (init.signal?.aborted) throw new CallError(0, 'The call was given up.');
    callWas(false);
    throw new CallError(0, 'The server cannot be reached.');
  }
}

export const post = <T>(path: string, body: unknown): Promise<Answer<T>> =>
  call<T>(path, {
    method: 'POST',
    body: JSON.stringify(body),
    headers: { 'Content-Type': 'application/json' },
    keepalive: true,
  });

function messageOf(text: string, status: number): string {
  try {
    const { message } = JSON.parse(text) as { message?: string };
    if (message) return message;
  } catch {
    // Not our server's JSON, perhaps a proxy's page: the status must do.
  }
  return `The server answered ${status}.`;
}

/** Read from the browser's storage, which may be forbidden. */
export function recall(key: string): string | null {
  try {
    return localStorage.getItem(key);
  } catch {
    return null;
  }
}

export function remember(key: string, value: string): void {
  try {
    localStorage.setItem(key, value);
  } catch {
    // Then it lasts as long as the page.
  }
}

export function recallJson<T>(key: string, otherwise: T): T {
  try {
    return (JSON.parse(recall(key) ?? 'null') as T | null) ?? otherwise;
  } catch {
    return otherwise;
  }
}
