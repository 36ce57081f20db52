import { useLocation } from '../lib/router.tsx';
import { ModelList } from './model_list.tsx';
import { ModelPage } from './model_page.tsx';
import { useAnswer } from '../lib/use_answer.ts';
import { useTraining } from './use_training.ts';
import type { ModelList as ModelListAnswer } from './types.ts';
import { VersionPage } from './version_page.tsx';
import styles from './models.module.css';

/** Models: all of them (/models), one (/models/NAME), one version (/models/NAME/3). */
export default function Models() {
  const [name, version] = partsOf(useLocation().pathname);
  const list = useAnswer<ModelListAnswer>('/v1/models');
  // Here, so that a training goes on while one looks at other models.
  const training = useTraining(list.refresh);
  return (
    <div className={styles.page}>
      {name === undefined ? (
        <ModelList list={list} training={training} />
      ) : version === undefined ? (
        <ModelPage key={name} name={name} training={training} />
      ) : (
        <VersionPage key={`${name} ${version}`} name={name} version={version} />
      )}
    </div>
  );
}

/** What stands behind /models. An address that is no text is nobody's name, and the server says so. */
function partsOf(pathname: string): (string | undefined)[] {
  const parts = pathname.split('/').slice(2).filter(Boolean);
  return parts.map((part) => {
    try {
      return decodeURIComponent(part);
    } catch {
      return part;
    }
  });
}
