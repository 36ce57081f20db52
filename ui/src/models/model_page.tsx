import { Button, Skeleton } from '@mantine/core';
import { useEffect, useRef, useState } from 'react';
import { Card } from '../components/card.tsx';
import { Empty } from '../components/empty.tsx';
import { PageHead } from '../components/page_head.tsx';
import { Stat, Stats } from '../components/stat.tsx';
import { count, dateAndTime, measure } from '../lib/format.ts';
import { post } from '../lib/http.ts';
import { navigate, useLocation } from '../lib/router.tsx';
import { Ask } from './ask.tsx';
import { Deployments } from './deployments.tsx';
import { DriftCard } from './drift_card.tsx';
import { Failure } from './failure.tsx';
import { interval, kindName, rollbackTarget, servedOf } from './judge.ts';
import { Locked } from './locked.tsx';
import { OverVersions } from './over_versions.tsx';
import { AskToTrain, TrainingCard } from './train_panel.tsx';
import { Trail } from './trail.tsx';
import { TryIt } from './try_it.tsx';
import { apiOf, type OneModel, pathOf, type Version } from './types.ts';
import { useAnswer } from '../lib/use_answer.ts';
import type { TrainingDesk } from './use_training.ts';
import { VerdictSign } from './verdict_sign.tsx';
import { Versions } from './versions.tsx';
import styles from './models.module.css';

type Asked = 'train' | 'rollback' | 'retire' | undefined;

/** One model: its versions, what is served, and what can be done about that. */
export function ModelPage({ name, training }: { name: string; training: TrainingDesk }) {
  const { answer: model, error, refresh } = useAnswer<OneModel>(apiOf(name));
  const { run } = training;
  const mine = run?.name === name ? run : undefined;
  useNewsOf(mine?.state, refresh);
  return (
    <>
      <Trail name={name} />
      <PageHead title={name} note={model && [model.description, kindName(model.kind)].filter(Boolean).join(' · ')} />
      {error && <Failure error={error} retry={refresh} />}
      {!model && !error && (
        <div className={styles.page} aria-busy="true" aria-label="Loading" role="status">
          <Skeleton height={130} radius={14} />
          <Skeleton height={310} radius={14} />
        </div>
      )}
      {model && !model.may_change && <Locked refresh={refresh} />}
      {model?.may_change && <Actions model={model} training={training} refresh={refresh} />}
      {mine && <TrainingCard run={mine} desk={training} />}
      {model && <Shown model={model} refresh={refresh} />}
    </>
  );
}

/** Read anew whenever `state` changes. */
function useNewsOf(state: unknown, refresh: () => void): void {
  const seen = useRef(state);
  useEffect(() => {
    if (seen.current === state) return;
    seen.current = state;
    refresh();
  }, [state, refresh]);
}

function Shown({ model, refresh }: { model: OneModel; refresh: () => void }) {
  if (model.versions.length === 0)
    return (
      <Card title="Versions">
        <Empty>
          Not trained yet. Each training writes a version here, with how well it foresees what people do; the first that
          is no worse than popularity is served.
        </Empty>
      </Card>
    );
  const served = servedOf(model);
  return (
    <>
      <Served served={served} />
      <OverVersions versions={model.versions} />
      <Versions model={model} refresh={refresh} />
      {served && model.kind && <DriftCard key={`drift ${served.version}`} model={model} />}
      {served && <TryIt key={served.version} name={model.name} version={served.version} />}
      <Deployments model={model} />
    </>
  );
}

/** What is served now, in figures. */
function Served({ served }: { served: Version | undefined }) {
  if (!served) return <p className={styles.notServed}>Nothing of this model is served. Deploy a version below.</p>;
  const ndcg = served.metrics?.all.ndcg;
  return (
    <div className={styles.served} data-testid="served">
      <Stats className={styles.stats}>
        <Stat name="Served" value={`v${served.version}`}>
          {served.made && `trained ${dateAndTime(served.made)}`}
        </Stat>
        <Stat name="NDCG" value={ndcg ? measure(ndcg.mean) : '–'}>
          {ndcg && interval(ndcg)}
        </Stat>
        <Stat name="Learned from" value={served.training ? count(served.training.rows) : '–'}>
          {served.training && `by ${count(served.training.users)} people, of ${count(served.training.items)} items`}
        </Stat>
      </Stats>
      <VerdictSign gain={served.gain} />
    </div>
  );
}

interface ActionsProps {
  model: OneModel;
  training: TrainingDesk;
  refresh: () => void;
}

function Actions({ model, training, refresh }: ActionsProps) {
  const wanted = useLocation().searchParams.has('train');
  const [asked, setAsked] = useState<Asked>(
    wanted && model.kind && training.run?.state !== 'running' ? 'train' : undefined,
  );
  const close = () => {
    setAsked(undefined);
    if (wanted) navigate(pathOf(model.name), { replace: true });
  };
  const target = rollbackTarget(model);
  const busy = training.run?.state === 'running';
  const act = async (verb: 'rollback' | 'retire') => {
    await post(`${apiOf(model.name)}/${verb}`, {});
    refresh();
  };
  return (
    <>
      <div className={styles.actions}>
        {model.kind && (
          <Button onClick={() => setAsked('train')} disabled={busy || asked === 'train'}>
            Train
          </Button>
        )}
        {target && (
          <Button variant="default" onClick={() => setAsked('rollback')} disabled={asked === 'rollback'}>
            {model.deployed ? `Roll back to version ${target}` : `Serve version ${target} again`}
          </Button>
        )}
        {model.deployed && (
          <Button variant="default" onClick={() => setAsked('retire')} disabled={asked === 'retire'}>
            Retire
          </Button>
        )}
        {!model.kind && (
          <p className={styles.quiet}>
            The project has no models/{model.name}.yaml any more: it can be served, not trained.
          </p>
        )}
        {busy && training.run!.name !== model.name && (
          <p className={styles.quiet}>{training.run!.name} is being trained; one at a time.</p>
        )}
      </div>
      {asked === 'train' && (
        <AskToTrain
          name={model.name}
          served={model.deployed}
          start={(deploy) => training.start(model.name, deploy)}
          close={close}
        />
      )}
      {asked === 'rollback' && (
        <Ask title={`Serve version ${target} again`} yes="Roll back" onYes={() => act('rollback')} onClose={close}>
          <p>
            From the next request on, people are answered by version {target}
            {model.deployed && `, no more by version ${model.deployed}`}. No request waits or fails. Version{' '}
            {model.deployed ?? target} stays, and can be deployed again.
          </p>
        </Ask>
      )}
      {asked === 'retire' && (
        <Ask title={`Retire ${model.name}`} yes="Retire" grave onYes={() => act('retire')} onClose={close}>
          <p>
            From the next request on, nothing of {model.name} is served: who asks for its recommendations is answered
            404. Its versions stay, and any of them can be deployed again.
          </p>
        </Ask>
      )}
    </>
  );
}
