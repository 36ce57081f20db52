import { ErrorNote } from '../components/error_note.tsx';
import type { CallError } from '../lib/http.ts';
import { remedyOf } from './judge.ts';

/** A call that failed: what the server said, and what to do about it. */
export function Failure({ error, retry }: { error: CallError; retry?: () => void }) {
  const remedy = remedyOf(error.status, error.message);
  return (
    <ErrorNote retry={retry} testId="failure">
      {endedOf(error.message)} {remedy}
    </ErrorNote>
  );
}

/** As the server said it: it may begin with a path or a name. */
const endedOf = (text: string): string => (/[.!?]$/.test(text) ? text : `${text}.`);
