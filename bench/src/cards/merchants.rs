//! The merchants: 2,000 in 14 categories, a few of them far more popular than the rest.

use std::fmt::Write;

use super::random::Draws;

const MERCHANTS: u64 = 2000;

/// The share of all transactions that are fraudulent.
const FRAUD_RATE: f64 = 0.005;

/// Category, what a purchase usually costs there, and how attractive it is for fraud.
pub const CATEGORIES: [(&str, f64, f64); 14] = [
    ("groceries", 38.0, 0.2),
    ("restaurants", 27.0, 0.4),
    ("fuel", 55.0, 0.9),
    ("transport", 12.0, 0.3),
    ("pharmacy", 19.0, 0.3),
    ("clothing", 64.0, 0.8),
    ("utilities", 90.0, 0.1),
    ("entertainment", 24.0, 0.7),
    ("travel", 240.0, 2.2),
    ("electronics", 310.0, 3.5),
    ("jewellery", 420.0, 4.0),
    ("gaming", 30.0, 3.0),
    ("gift_cards", 75.0, 6.0),
    ("health", 48.0, 0.2),
];

/// One merchant as a transaction needs it.
#[derive(Clone, Copy, Debug)]
pub struct Merchant {
    /// Its number; `m` and five digits are its id.
    pub number: u64,
    /// What a purchase usually costs.
    pub typical_amount: f64,
    /// How probable it is that a transaction here is fraudulent.
    pub fraud_rate: f64,
    category: usize,
}

/// All merchants of a seed.
#[derive(Debug)]
pub struct Merchants(Vec<Merchant>);

impl Merchants {
    /// The merchants of `seed`, their fraud rates such that the whole comes to 0.5 %.
    pub fn new(seed: u64) -> Self {
        let mut all = Vec::with_capacity(MERCHANTS as usize);
        let mut expected = 0.0;
        for number in 0..MERCHANTS {
            let mut draws = Draws::new(seed, u64::MAX - number);
            let category = draws.below(CATEGORIES.len() as u64) as usize;
            let (_, typical, attraction) = CATEGORIES[category];
            let typical_amount = typical * (draws.normal() * 0.3).exp();
            expected += attraction * share(number);
            all.push(Merchant { number, typical_amount, fraud_rate: attraction, category });
        }
        for merchant in &mut all {
            merchant.fraud_rate *= FRAUD_RATE / expected;
        }
        Self(all)
    }

    /// A merchant, popular ones more often.
    pub fn pick(&self, draws: &mut Draws) -> Merchant {
        let at = (draws.unit() * draws.unit() * MERCHANTS as f64) as usize;
        self.0[at.min(self.0.len() - 1)]
    }

    /// The merchants as CSV with a header: id, name, category, country, risk score.
    pub fn to_csv(&self) -> String {
        const COUNTRIES: [&str; 8] = ["DE", "FR", "ES", "GB", "US", "IT", "PL", "JP"];
        let mut csv = String::from("merchant_id,merchant_name,category,merchant_country,risk_score\n");
        for merchant in &self.0 {
            let number = merchant.number;
            let (category, _, attraction) = CATEGORIES[merchant.category];
            let country = COUNTRIES[(number % 8) as usize];
            // Writing to a String cannot fail.
            let _ = writeln!(
                csv,
                "m{number:05},\"{category} no. {number}\",{category},{country},{attraction:.1}"
            );
        }
        csv
    }
}

/// The probability that [`Merchants::pick`] gives this number: the product of two uniform draws
/// has the distribution function `x (1 - ln x)`.
fn share(number: u64) -> f64 {
    let below = |n: u64| {
        let x = n as f64 / MERCHANTS as f64;
        if n == 0 { 0.0 } else { x * (1.0 - x.ln()) }
    };
    below(number + 1) - below(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_add_up_and_fraud_comes_to_its_rate() {
        let merchants = Merchants::new(3);
        let total: f64 = (0..MERCHANTS).map(share).sum();
        assert!((total - 1.0).abs() < 1e-9);
        let fraud: f64 = merchants.0.iter().map(|m| m.fraud_rate * share(m.number)).sum();
        assert!((fraud - FRAUD_RATE).abs() < 1e-9);
    }

    #[test]
    fn the_csv_has_a_line_for_each() {
        assert_eq!(Merchants::new(3).to_csv().lines().count() as u64, MERCHANTS + 1);
    }
}
