import { Button, PasswordInput } from '@mantine/core';
import { type FormEvent, type ReactNode, useState } from 'react';
import { keepToken } from '../lib/http.ts';
import styles from './token_form.module.css';

interface TokenFormProps {
  label?: string;
  description?: ReactNode;
  /** The token has been kept: call again. */
  onDone: () => void;
}

/** Asks a person for the token that the server wants, and keeps it in this browser. */
export function TokenForm({
  label = 'This server asks for its token',
  description = 'The value of auth.token in millrace.yaml. It stays in this browser.',
  onDone,
}: TokenFormProps) {
  const [token, setToken] = useState('');
  const submit = (event: FormEvent) => {
    event.preventDefault();
    keepToken(token.trim());
    onDone();
  };
  return (
    <form className={styles.form} onSubmit={submit} role="status">
      <PasswordInput
        label={label}
        description={description}
        value={token}
        onChange={(event) => setToken(event.currentTarget.value)}
        className={styles.token}
        autoComplete="current-password"
      />
      <Button type="submit" disabled={!token.trim()}>
        Open
      </Button>
    </form>
  );
}
