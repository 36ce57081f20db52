import { Button, Skeleton } from '@mantine/core';
import { useEffect, useState } from 'react';
import { Curve } from '../charts/curve.tsx';
import { Card } from '../components/card.tsx';
import { DataTable } from '../components/data_table.tsx';
import { PageHead } from '../components/page_head.tsx';
import { dateAndTime } from '../lib/format.ts';
import { authorization, call } from '../lib/http.ts';
import { navigate } from '../lib/router.tsx';
import { Failure } from './failure.tsx';
import { kindName, sentenceOf } from './judge.ts';
import { Evaluated } from './evaluated.tsx';
import { TrainedOn } from './trained_on.tsx';
import { Trail } from './trail.tsx';
import { apiOf, type CurvePoint, type OneModel, pathOf, type VersionDetail } from './types.ts';
import { useAnswer } from '../lib/use_answer.ts';
import { VerdictSign } from './verdict_sign.tsx';
import { AskAbout } from './versions.tsx';
import styles from './models.module.css';

/** One version: how good it is, for whom, and what it was made of. */
export function VersionPage({ name, version }: { name: string; version: string }) {
  const {
    answer: detail,
    error,
    refresh,
  } = useAnswer<VersionDetail>(`${apiOf(name)}/versions/${encodeURIComponent(version)}`);
  const model = useAnswer<OneModel>(apiOf(name));
  const news = () => (refresh(), model.refresh());
  const note = detail && [
    kindName(detail.kind),
    detail.made && `trained ${dateAndTime(detail.made)}`,
    detail.deployed ? 'served' : 'not served',
  ];
  return (
    <>
      <Trail name={name} version={version} />
      <PageHead title={`${name}, version ${version}`} note={note?.filter(Boolean).join(' · ')} />
      {error && <Failure error={error} retry={news} />}
      {!detail && !error && (
        <div className={styles.page} aria-busy="true" aria-label="Loading" role="status">
          <Skeleton height={90} radius={14} />
          <Skeleton height={310} radius={14} />
        </div>
      )}
      {detail && <Actions detail={detail} model={model.answer} news={news} />}
      {detail && <Found detail={detail} />}
      {detail?.evaluation && <Evaluated evaluation={detail.evaluation} name={name} />}
      {detail?.curve && detail.curve.length > 1 && <Training curve={detail.curve} />}
      {detail && <TrainedOn detail={detail} />}
    </>
  );
}

/** What was found about it, in words. */
function Found({ detail }: { detail: VersionDetail }) {
  const own = detail.evaluation?.models[2];
  return (
    <div className={styles.found}>
      <VerdictSign gain={own?.ndcg_gain_over_baseline} />
      {detail.gate && (
        <p className={styles.gate} data-testid="gate">
          <strong>{detail.passed ? 'Passed the gate' : 'Did not pass the gate'}</strong>
          <small>{sentenceOf(detail.gate)}</small>
        </p>
      )}
    </div>
  );
}

interface ActionsProps {
  detail: VersionDetail;
  model: OneModel | undefined;
  news: () => void;
}

function Actions({ detail: { name, version, deployed }, model, news }: ActionsProps) {
  const [asked, setAsked] = useState<'deploy' | 'remove'>();
  const report = useReport(name, version);
  const mayAct = model?.may_change === true && !deployed;
  if (!mayAct && !report) return null;
  const refresh = () => (asked === 'remove' ? navigate(pathOf(name), { replace: true }) : news());
  return (
    <>
      <div className={styles.actions}>
        {mayAct && (
          <>
            <Button onClick={() => setAsked('deploy')} disabled={asked === 'deploy'}>
              Deploy
            </Button>
            <Button variant="light" color="red" onClick={() => setAsked('remove')} disabled={asked === 'remove'}>
              Remove
            </Button>
          </>
        )}
        {report && (
          <Button variant="default" component="a" href={report} target="_blank" rel="noreferrer">
            Report
          </Button>
        )}
      </div>
      {asked && model && (
        <AskAbout
          key={asked}
          model={model}
          verb={asked}
          version={version}
          close={() => setAsked(undefined)}
          refresh={refresh}
        />
      )}
    </>
  );
}

let known: Promise<boolean> | undefined;

/** Whether this server writes reports. Looked up in its list of calls, for a call that fails is told in the console. */
function hasReports(): Promise<boolean> {
  known ??= call<{ paths: Record<string, unknown> }>('/openapi.json').then(
    ({ body }) => '/v1/models/{name}/versions/{version}/report' in body.paths,
    () => false,
  );
  return known;
}

/** The address of a version's report; undefined while that is not known, or there is none. */
function useReport(name: string, version: string): string | undefined {
  const [found, setFound] = useState<string>();
  useEffect(() => {
    const address = `${apiOf(name)}/versions/${encodeURIComponent(version)}/report`;
    const abort = new AbortController();
    const look = async () => {
      if (!(await hasReports())) return;
      const { ok } = await fetch(address, { headers: authorization(), signal: abort.signal });
      if (ok) setFound(address);
    };
    look().catch(() => {});
    return () => abort.abort();
  }, [name, version]);
  return found;
}

/** The loss, round by round. */
function Training({ curve }: { curve: CurvePoint[] }) {
  const last = curve.at(-1)!;
  return (
    <Card
      title="Training"
      note={`The loss after each round; ${figure(last.loss)} after round ${last.step}.`}
      table={
        <DataTable
          caption="Loss after each round"
          columns={[
            { head: 'Round', cell: ({ step }: CurvePoint) => step },
            { head: 'Loss', cell: ({ loss }) => figure(loss), figure: true },
          ]}
          rows={curve}
          keyOf={({ step }) => String(step)}
        />
      }
    >
      <div data-testid="curve">
        <Curve points={curve.map(({ step, loss }) => ({ x: step, y: loss }))} height={230} />
      </div>
    </Card>
  );
}

const figure = (loss: number): string => Number(loss.toPrecision(5)).toString();
