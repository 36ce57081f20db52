import { PageHead } from '../components/page_head.tsx';
import { navigate, useLocation } from '../lib/router.tsx';
import { AnswerCard } from './answer_card.tsx';
import { HowCard } from './how_card.tsx';
import { PipelineCard } from './pipeline_card.tsx';
import { pageOf, type Question, questionOf, withItem } from './question.ts';
import { QuestionCard } from './question_card.tsx';
import { useRecommendations } from './use_recommendations.ts';
import styles from './recommend.module.css';

/** Ask as a shop's page would, for anyone and after any clicks; see what comes, why, and how. */
export default function Recommend() {
  const question = questionOf(useLocation().searchParams);
  const asked = useRecommendations(question);
  const change = (next: Question) => navigate(pageOf(next), { replace: true });
  return (
    <div className={styles.page}>
      <PageHead title="Recommend" note="Ask as a page of the shop would. Nothing that is clicked here is recorded." />
      <div className={styles.columns}>
        <div className={styles.column}>
          <QuestionCard question={question} change={change} error={asked.error} />
          <PipelineCard placement={question.placement} />
        </div>
        <div className={styles.column}>
          <AnswerCard asked={asked} onClick={(id) => change(withItem(question, id))} />
          {asked.answer && <HowCard answer={asked.answer} />}
        </div>
      </div>
    </div>
  );
}
