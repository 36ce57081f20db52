#include "stream/job_metrics.h"

#include <algorithm>
#include <string>

namespace millrace {
namespace {

double seconds(DurationUs duration) {
  return static_cast<double>(duration) / kSecondUs;
}

}  // namespace

Result<JobLag> measure_lag(const EventLog& log, const JobPosition& done, TimeUs now) {
  JobLag lag;
  for (const auto& [partition, next] : done) {
    MILLRACE_ASSIGN(const PartitionStats stats, log.stats(partition));
    const Offset from = std::max(next, stats.start);
    if (from >= stats.end) continue;
    lag.records += stats.end.value() - from.value();
    MILLRACE_ASSIGN(const RecordBatch first, log.read(partition, from, {.records_max = 1, .bytes_max = 1}));
    if (!first.records.empty()) lag.oldest = std::max(lag.oldest, now - first.records.front().time);
  }
  return lag;
}

JobMetrics::JobMetrics(std::string_view job)
    : lag_records_(metrics::gauge("millrace_job_lag_records",
                                  "Records of the log that the job has not done for good yet",
                                  {{"job", std::string(job)}})),
      lag_seconds_(metrics::gauge("millrace_job_lag_seconds",
                                  "Time since the oldest of the records that are not done was received",
                                  {{"job", std::string(job)}})),
      checkpoint_age_(metrics::gauge(
          "millrace_job_checkpoint_age_seconds",
          "Time since what the job did last became durable, or since it had nothing left to do",
          {{"job", std::string(job)}})),
      step_seconds_(metrics::latency_seconds(
          "millrace_job_step_seconds", "Time of one step of the job that did something, commit included",
          {{"job", std::string(job)}})),
      records_(metrics::counter("millrace_job_records_total", "Records of the log done by the job",
                                {{"job", std::string(job)}})),
      events_(metrics::counter("millrace_job_events_total", "Events in the records done by the job",
                               {{"job", std::string(job)}})),
      duplicates_(metrics::counter("millrace_job_duplicates_total",
                                   "Events the job dropped because they had come before",
                                   {{"job", std::string(job)}})),
      quarantined_(metrics::counter("millrace_job_quarantined_total", "Events the job put into quarantine",
                                    {{"job", std::string(job)}})),
      errors_(metrics::counter("millrace_job_errors_total", "Failed steps of stream jobs",
                               {{"job", std::string(job)}})) {}

void JobMetrics::count_step(std::uint64_t records, std::uint64_t events, DurationUs took) {
  records_.Increment(static_cast<double>(records));
  events_.Increment(static_cast<double>(events));
  step_seconds_.Observe(seconds(took));
}

void JobMetrics::show(const JobLag& lag, DurationUs checkpoint_age) {
  lag_records_.Set(static_cast<double>(lag.records));
  lag_seconds_.Set(seconds(std::max<DurationUs>(lag.oldest, 0)));
  checkpoint_age_.Set(seconds(checkpoint_age));
}

}  // namespace millrace
