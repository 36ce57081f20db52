#pragma once

#include <array>
#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "base/decimal.h"

namespace millrace {

/// One product of the simulated shop. Names and categories are our own inventions.
struct SimProduct {
  std::string id;
  std::string name;
  std::string category;  ///< "Garden/Tools"
  Decimal price;
  std::string currency;
  std::size_t department = 0;  ///< index of its top category
  std::size_t style = 0;       ///< hidden: which of the styles it is made in
  double appeal = 1;           ///< hidden: how much everybody likes it, heavy-tailed
};

/// One customer. What they like is known to the simulator alone.
struct SimPerson {
  std::string user_id;
  std::string anonymous_id;
  std::string country;
  std::string city;
  double latitude = 0;  ///< of the city
  double longitude = 0;
  std::string device_type;
  std::string os;
  std::string browser;
  std::string user_agent;
  std::size_t favourite_department = 0;  ///< hidden
  std::size_t second_department = 0;     ///< hidden
  std::size_t style = 0;                 ///< hidden
};

struct SimWorldOptions {
  std::uint64_t seed = 1;
  std::size_t products = 200;
  std::size_t people = 2'000;

  /// Take away what can be learned: each choice is then made with the taste of a random other person,
  /// so that popularity stays as it is and nothing personal remains.
  bool shuffle_tastes = false;
};

/// A shop with about 200 products in 8 departments and customers in 10 countries, made from a seed:
/// the same options give the same world on every machine.
///
/// A person likes a product by `appeal · department factor · style factor`; choices are drawn in
/// proportion. So there is something to learn beyond popularity, and it is known how much.
///
/// Threads: const methods from any thread, each with its own random engine.
class SimWorld {
 public:
  using Random = std::mt19937_64;

  static SimWorld make(const SimWorldOptions& options);

  const std::vector<SimProduct>& products() const { return products_; }
  const std::vector<SimPerson>& people() const { return people_; }

  /// Return how much `person` likes `product`: positive, comparable between products only.
  double liking(const SimPerson& person, const SimProduct& product) const;

  /// Draw the index of a product `person` would look at.
  std::size_t choose_product(const SimPerson& person, Random& random) const;

  /// Draw one of `offered` (indexes of products), or `offered.size()` for none of them: the more the
  /// offer is to the person's taste compared with the whole shop, the likelier something is chosen.
  std::size_t choose_among(const SimPerson& person, const std::vector<std::size_t>& offered,
                           Random& random) const;

  /// Return the index of a product by id, or `products().size()`.
  std::size_t find_product(const std::string& id) const;

 private:
  const SimPerson& whose_taste(const SimPerson& person, Random& random) const;

  SimWorldOptions options_;
  std::vector<SimProduct> products_;
  std::vector<SimPerson> people_;
  /// Running sums of liking over the products, for each (favourite, second, style).
  std::vector<std::vector<double>> cumulative_;
};

/// Draw a number in [0, 1) in the same way on every standard library (the distributions of <random>
/// differ between them).
double sim_uniform(SimWorld::Random& random);

/// Draw an index in [0, n). Needs n > 0.
std::size_t sim_index(SimWorld::Random& random, std::size_t n);

}  // namespace millrace
