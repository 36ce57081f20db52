import { Command } from '../components/command.tsx';
import styles from './models.module.css';

const file = `# models/for_you.yaml
kind: item_knn
description: What people will want next`;

/** How a model comes into being: what to write, and where. */
export function AddModel() {
  return (
    <div className={styles.teach}>
      <p>
        A model is a file in the folder <code>models</code> of your project, beside <code>millrace.yaml</code>. One line
        will do: it learns from everything that happened to items.
      </p>
      <Command label="File that declares a model" text={file} />
      <p>
        Saved, it appears here with a button to train it; no restart is needed. In a terminal it is{' '}
        <code>millrace train for_you</code>. Other kinds: <code>als</code> and <code>ease</code> for much data,{' '}
        <code>session_knn</code> for anonymous visits, <code>popularity</code> to compare with.
      </p>
    </div>
  );
}
