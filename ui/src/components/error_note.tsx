import { Button } from '@mantine/core';
import type { ReactNode } from 'react';
import { Icon } from '../brand/icons.tsx';
import styles from './error_note.module.css';

interface ErrorNoteProps {
  /** What went wrong and what it means for who reads it, in a sentence or two. */
  children: ReactNode;
  retry?: () => void;
  /** What the button says that does `retry`. */
  retryLabel?: string;
  testId?: string;
}

/** Something that did not work, and what to do about it. Screen readers hear it when it comes. */
export function ErrorNote({ children, retry, retryLabel = 'Try again', testId }: ErrorNoteProps) {
  return (
    <div role="status" className={styles.note} data-testid={testId}>
      <Icon name="warning" />
      <p>{children}</p>
      {retry && (
        <Button size="sm" variant="default" onClick={retry}>
          {retryLabel}
        </Button>
      )}
    </div>
  );
}
