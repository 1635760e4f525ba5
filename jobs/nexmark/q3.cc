// Nexmark query 3: who sells in category 10 in Oregon, Idaho or California: people joined with
// their auctions, over all time. Either side may come first and any number of times.
#include "api/stream.h"
#include "jobs/nexmark/nexmark_job.h"

namespace jobs::nexmark {
namespace {

using namespace sluice;  // NOLINT: a job speaks the API's language.

constexpr int64_t kCategory = 10;

struct Seller {
  int64_t id = 0;
  Text name;
  Text city;
  Text state;
};
SLUICE_RECORD(Seller, id, name, city, state);

struct Offer {
  int64_t id = 0;
  int64_t seller = 0;
};
SLUICE_RECORD(Offer, id, seller);

struct Row {
  Text name;
  Text city;
  Text state;
  int64_t id = 0;
};
SLUICE_RECORD(Row, name, city, state, id);

class JoinOffersWithSellers : public KeyedCoProcessFunction<int64_t, Offer, Seller, Row> {
 public:
  void open(RuntimeContext& context) override {
    offers_ = context.get_list_state(ListStateDescriptor<int64_t>{"offers"});
    sellers_ = context.get_list_state(ListStateDescriptor<Seller>{"sellers"});
  }
  void process_element1(const Offer& offer, Context& /*context*/, Collector<Row>& out) override {
    offers_.add(offer.id);
    for (const Seller& seller : sellers_.get()) out.collect(join(seller, offer.id));
  }
  void process_element2(const Seller& seller, Context& /*context*/, Collector<Row>& out) override {
    sellers_.add(seller);
    for (const int64_t offer : offers_.get()) out.collect(join(seller, offer));
  }

 private:
  static Row join(const Seller& seller, int64_t offer) {
    return {seller.name, seller.city, seller.state, offer};
  }
  ListState<int64_t> offers_;
  ListState<Seller> sellers_;
};

bool is_wanted_state(const Text& state) { return state == "OR" || state == "ID" || state == "CA"; }

SLUICE_JOB(nexmark_q3) {
  const NexmarkJob job(env, args);
  const auto auctions = job.auctions();
  const auto in_category = job.beside_source(
      auctions.filter([](const Auction& auction) { return auction.category == kCategory; }));
  const auto offers = job.beside_source(in_category.map([](const Auction& auction) {
    return Offer{auction.id, auction.seller};
  }));
  const auto people = job.people([](const Person& person) {
    return Seller{person.id, person.name, person.city, person.state};
  });
  const auto sellers = job.beside_source(
      people.filter([](const Seller& seller) { return is_wanted_state(seller.state); }));
  job.write(offers.key_by(&Offer::seller)
                .connect(sellers.key_by(&Seller::id))
                .process(JoinOffersWithSellers())
                .name("sellers of offers")
                .uid("join"));
}

}  // namespace
}  // namespace jobs::nexmark
