import { Button, Skeleton } from '@mantine/core';
import { IntervalMark } from '../charts/intervals.tsx';
import { type Scale, scaleOf } from '../charts/scale.ts';
import { Card } from '../components/card.tsx';
import { PageHead } from '../components/page_head.tsx';
import { counted, dateAndTime, measure } from '../lib/format.ts';
import type { CallError } from '../lib/http.ts';
import { Link, navigate } from '../lib/router.tsx';
import { AddModel } from './add_model.tsx';
import { Failure } from './failure.tsx';
import { interval, kindName, servedOf, shownOf } from './judge.ts';
import { Locked } from './locked.tsx';
import { type Model, type ModelList as Answer, pathOf, type Version } from './types.ts';
import type { TrainingDesk } from './use_training.ts';
import { VerdictSign } from './verdict_sign.tsx';
import styles from './model_list.module.css';

interface ModelListProps {
  list: { answer: Answer | undefined; error: CallError | undefined; refresh: () => void };
  training: TrainingDesk;
}

/** All models: what is served of each, and whether it is worth it. */
export function ModelList({ list: { answer, error, refresh }, training }: ModelListProps) {
  const models = answer?.models ?? [];
  return (
    <>
      <PageHead title="Models" note="What learns from the flow, how well it foresees what people do, what is served." />
      {error && <Failure error={error} retry={refresh} />}
      {!answer && !error && (
        <div aria-busy="true" aria-label="Loading" role="status">
          <Skeleton height={230} radius={14} />
        </div>
      )}
      {answer && !answer.may_change && <Locked refresh={refresh} />}
      {models.length > 0 && <Rows models={models} mayChange={answer!.may_change} training={training} />}
      {answer && (
        <Card
          title={models.length === 0 ? 'No model yet' : 'Add a model'}
          note={
            models.length === 0
              ? 'Until there is one, people are shown what is popular and what goes together.'
              : undefined
          }
        >
          <AddModel />
        </Card>
      )}
    </>
  );
}

interface RowsProps {
  models: Model[];
  mayChange: boolean;
  training: TrainingDesk;
}

function Rows({ models, mayChange, training }: RowsProps) {
  const shown = models.map((model) => shownOf(model));
  const scale = scaleOf([0, ...shown.flatMap((one) => (one?.metrics ? [one.metrics.all.ndcg.high] : []))]);
  const anyJudged = shown.some((one) => one?.metrics);
  return (
    <>
      <ul className={styles.models} data-testid="models">
        {models.map((model, i) => (
          <li key={model.name} className={styles.model}>
            <div className={styles.name}>
              <h2>
                <Link href={pathOf(model.name)}>{model.name}</Link>
              </h2>
              {model.description && <p>{model.description}</p>}
              <p className={styles.kind}>
                {[kindName(model.kind ?? shown[i]?.kind), standing(model)].filter(Boolean).join(' · ')}
              </p>
            </div>
            {shown[i]?.metrics ? (
              <Quality version={shown[i]} scale={scale} />
            ) : (
              <NotTrained model={model} mayChange={mayChange} training={training} />
            )}
          </li>
        ))}
      </ul>
      {anyJudged && <Legend />}
    </>
  );
}

function Legend() {
  return (
    <p className={styles.legend}>
      <span>
        <i className={styles.dot} aria-hidden="true" />
        the model, with its 95 % interval
      </span>
      <span>
        <i className={styles.dash} aria-hidden="true" />
        recent popularity, asked the same
      </span>
      <span>All from 0 on one scale; each is judged on the interactions it learns from.</span>
    </p>
  );
}

/** What is served, and since which data. */
function standing(model: Model): string {
  const served = servedOf(model);
  if (served) return `version ${served.version} is served${served.made ? `, trained ${dateAndTime(served.made)}` : ''}`;
  if (model.versions.length === 0) return '';
  return `nothing is served; ${counted(model.versions.length, 'version')}`;
}

function Quality({ version, scale }: { version: Version; scale: Scale }) {
  const { ndcg } = version.metrics!.all;
  return (
    <div className={styles.quality}>
      <p className={styles.figure}>
        <strong>{measure(ndcg.mean)}</strong>
        <small>
          NDCG{version.deployed ? '' : ` of version ${version.version}`}, {interval(ndcg)}
        </small>
      </p>
      <div className={styles.mark}>
        <IntervalMark row={{ ...ndcg, role: 'own' }} scale={scale} mark={version.baseline?.all.ndcg.mean} />
      </div>
      <VerdictSign gain={version.gain} />
    </div>
  );
}

/** Why there is no figure of a model. */
function whyNoFigure(model: Model, isTrained: boolean): string {
  if (model.problem) return model.problem;
  if (model.versions.some(({ problem }) => !problem))
    return model.kind ? 'Not judged yet.' : `Not judged: the project has no models/${model.name}.yaml.`;
  if (model.versions.length > 0) return 'No version of it can be read.';
  return isTrained ? 'Is being trained now.' : 'Not trained yet.';
}

function NotTrained({ model, mayChange, training }: { model: Model; mayChange: boolean; training: TrainingDesk }) {
  const running = training.run?.state === 'running' ? training.run.name : undefined;
  return (
    <div className={styles.untrained}>
      <p>{whyNoFigure(model, running === model.name)}</p>
      {mayChange && model.kind && running !== model.name && (
        <Button size="sm" onClick={() => navigate(`${pathOf(model.name)}?train`)} disabled={running !== undefined}>
          Train
        </Button>
      )}
    </div>
  );
}
