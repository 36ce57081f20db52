#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/env.h"
#include "log/event_log.h"
#include "source/follow_watch.h"
#include "source/http_source.h"
#include "source/ingest.h"

namespace millrace {

/// Reads paged JSON APIs (docs/how-to/sources.md#an-api), page by page, for ever; each item comes once, also
/// through crashes. A page is kept in a note (docs/formats/follow.md) before anything of it is in the log, so
/// that a start after a crash finishes that very page, whatever the API says by then, and leaves out what the
/// log has of it. One thread for each; outages are told in the topic `source_events`. Threads: any.
class HttpStreams {
 public:
  struct Tools {
    EventLog& log;
    Env& env;
    Path state_dir;  ///< made when it is absent
    IngestLimits limits;
    TopicConfig topic;  ///< of `source_events`
  };

  /// `tools` and what they refer to must outlive it.
  HttpStreams(Tools tools, std::vector<HttpSource> sources);
  ~HttpStreams();  ///< stops

  /// Begin to read. Without it, there are only the names.
  void start();

  /// Stop; a page under way is finished at the next start.
  void stop();

  struct Entry {
    std::string source;
    std::string address;  ///< the URL without its query
    FollowStatus follow;
  };
  std::vector<Entry> list() const;

 private:
  class Stream;

  const Tools tools_;
  std::vector<std::unique_ptr<Stream>> streams_;
};

}  // namespace millrace
