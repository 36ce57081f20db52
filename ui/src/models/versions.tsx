import { Button } from '@mantine/core';
import { Fragment, useState } from 'react';
import { Card } from '../components/card.tsx';
import { count, dateAndTime, measure } from '../lib/format.ts';
import { call, post } from '../lib/http.ts';
import { Link } from '../lib/router.tsx';
import { Ask } from './ask.tsx';
import { interval, verdictOf } from './judge.ts';
import { apiOf, type OneModel, pathOf, type Version } from './types.ts';
import styles from './versions.module.css';

const shownAtFirst = 10;
const heads = ['Version', 'Made', 'Interactions', 'NDCG', 'Against popularity', 'Gate'];

/** All versions, the newest first, each with what can be done with it. */
export function Versions({ model, refresh }: { model: OneModel; refresh: () => void }) {
  const [asked, setAsked] = useState<{ verb: 'deploy' | 'remove'; version: string }>();
  const [all, setAll] = useState(false);
  const shown = model.versions.filter(({ deployed }, i) => all || i < shownAtFirst || deployed);
  return (
    <Card title="Versions" note="The newest first. A version never changes.">
      <div className={styles.scroll}>
        <table className={styles.table} data-testid="versions">
          <thead>
            <tr>
              {heads.map((head) => (
                <th key={head} scope="col" data-figure={head === 'Interactions' || head === 'NDCG' || undefined}>
                  {head}
                </th>
              ))}
              {model.may_change && (
                <th scope="col">
                  <span className={styles.silent}>What to do</span>
                </th>
              )}
            </tr>
          </thead>
          <tbody>
            {shown.map((version) => (
              <Fragment key={version.version}>
                <Row
                  model={model}
                  version={version}
                  asked={asked?.version === version.version ? asked.verb : undefined}
                  ask={(verb) => setAsked({ verb, version: version.version })}
                />
                {asked?.version === version.version && (
                  <tr className={styles.askRow}>
                    <td colSpan={heads.length + 1}>
                      <AskAbout model={model} {...asked} close={() => setAsked(undefined)} refresh={refresh} />
                    </td>
                  </tr>
                )}
              </Fragment>
            ))}
          </tbody>
        </table>
      </div>
      {shown.length < model.versions.length && (
        <Button className={styles.more} variant="subtle" size="sm" onClick={() => setAll(true)}>
          {model.versions.length - shown.length} earlier
        </Button>
      )}
    </Card>
  );
}

interface RowProps {
  model: OneModel;
  version: Version;
  asked: string | undefined;
  ask: (verb: 'deploy' | 'remove') => void;
}

function Row({ model, version, asked, ask }: RowProps) {
  const { version: number, deployed, problem, made, training, metrics, gain } = version;
  return (
    <tr data-served={deployed || undefined} data-testid={`version-${number}`}>
      <th scope="row">
        {problem ? `Version ${number}` : <Link href={pathOf(model.name, number)}>Version {number}</Link>}
        {deployed && <span className={styles.served}>served</span>}
      </th>
      {problem ? (
        <td colSpan={heads.length - 1} className={styles.problem}>
          {problem}
        </td>
      ) : (
        <>
          <td data-head="Made">{made ? dateAndTime(made) : '–'}</td>
          <td data-head="Interactions" data-figure>
            {training ? count(training.rows) : '–'}
          </td>
          <td data-head="NDCG" data-figure>
            {metrics ? (
              <>
                {measure(metrics.all.ndcg.mean)} <small>{interval(metrics.all.ndcg)}</small>
              </>
            ) : (
              '–'
            )}
          </td>
          <td data-head="Against popularity">{gain ? shortVerdicts[verdictOf(gain).state] : '–'}</td>
          <td data-head="Gate" title={version.gate}>
            {version.passed === undefined ? '–' : version.passed ? 'Passed' : 'Did not pass'}
          </td>
        </>
      )}
      {model.may_change && (
        <td className={styles.actions}>
          {!deployed && !problem && (
            <Button size="compact-sm" variant="light" disabled={asked === 'deploy'} onClick={() => ask('deploy')}>
              Deploy<span className={styles.silent}> version {number}</span>
            </Button>
          )}
          {!deployed && (
            <Button
              size="compact-sm"
              variant="subtle"
              color="red"
              disabled={asked === 'remove'}
              onClick={() => ask('remove')}
            >
              Remove<span className={styles.silent}> version {number}</span>
            </Button>
          )}
        </td>
      )}
    </tr>
  );
}

const shortVerdicts = { better: '▲ Better', unclear: '≈ Cannot be told', worse: '▼ Worse' };

interface AskAboutProps {
  model: Pick<OneModel, 'name' | 'deployed'>;
  verb: 'deploy' | 'remove';
  version: string;
  close: () => void;
  refresh: () => void;
}

/** Asks before a version is served, or taken away. */
export function AskAbout({ model: { name, deployed }, verb, version, close, refresh }: AskAboutProps) {
  const run = async () => {
    if (verb === 'deploy') await post(`${apiOf(name)}/deploy`, { version });
    else await call(`${apiOf(name)}/versions/${encodeURIComponent(version)}`, { method: 'DELETE' });
    refresh();
  };
  if (verb === 'deploy')
    return (
      <Ask title={`Serve version ${version}`} yes={`Deploy version ${version}`} onYes={run} onClose={close}>
        <p>
          Its files are checked and loaded; then, from the next request on, people are answered by version {version}
          {deployed && ` in the place of version ${deployed}`}. No request waits or fails.
          {deployed && ' Rolling back undoes it.'}
        </p>
      </Ask>
    );
  return (
    <Ask title={`Remove version ${version}`} yes={`Remove version ${version}`} grave onYes={run} onClose={close}>
      <p>Its files are taken away for good, with how it was judged. What is served does not change.</p>
    </Ask>
  );
}
