#include "server/gorse_write.h"

#include <memory>
#include <mutex>
#include <optional>

namespace millrace {
namespace {

/// What is left to do of one call; the callbacks of its bodies share it.
struct FeedbackWrite {
  std::function<void(const Result<std::uint64_t>&)> done;
  std::mutex mutex;
  std::size_t left = 0;        ///< bodies; guarded by mutex, as what follows
  std::uint64_t accepted = 0;  ///< events
  std::optional<Error> error;  ///< the first

  void finish_one(const Result<CollectCounts>& counts) {
    {
      const std::lock_guard lock(mutex);
      if (counts) accepted += counts->accepted;
      if (!counts && !error) error = counts.error();
      if (--left > 0) return;
    }
    if (error) return done(fail(*error));
    done(accepted);
  }
};

}  // namespace

BodyFacts gorse_facts(const HttpRequest& request, std::string_view source, TimeUs now) {
  BodyFacts facts;
  facts.source = source;
  facts.received_time = now;
  facts.ip = request.remote_ip();
  facts.user_agent = request.header("User-Agent");
  return facts;
}

void write_gorse_feedback(Collector& collector, const BodyLimits& limits,
                          const std::vector<GorseFeedback>& feedback, const BodyFacts& facts,
                          std::function<void(const Result<std::uint64_t>& rows)> done) {
  std::vector<std::string> bodies = gorse_event_bodies(feedback, limits.batch_bytes_max, limits.events_max);
  if (bodies.empty()) return done(std::uint64_t{0});
  const auto write = std::make_shared<FeedbackWrite>();
  write->done = std::move(done);
  write->left = bodies.size();
  for (std::string& body : bodies) {
    const std::size_t size = body.size();
    body.append(HttpRequest::kBodyPadding, '\0');
    collector.collect(CodecId::kNative, std::string_view(body).substr(0, size), facts,
                      [write](const Result<CollectCounts>& counts) { write->finish_one(counts); });
  }
}

}  // namespace millrace
