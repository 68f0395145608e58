//! What tasks cost: a dated table that the user may replace.

use knee_core::task::Task;
use knee_core::units::{Bytes, QuantityError};
use serde::{Deserialize, Serialize};

/// Prices in US dollars, with their date and source.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Prices {
    /// Day on which they were read, as YYYY-MM-DD.
    pub date: String,
    /// AWS region.
    pub region: String,
    /// Where they were read.
    pub source: String,
    /// Fargate, On-Demand.
    pub fargate: Fargate,
    /// Fargate Spot.
    pub spot: Spot,
    /// EC2 instance types, as the user names them.
    #[serde(default, rename = "instance")]
    pub instances: Vec<Instance>,
}

/// Fargate's prices by architecture.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fargate {
    /// Linux on x86.
    pub x86: Hour,
    /// Linux on ARM.
    pub arm: Hour,
}

/// An hour of what a task asks for.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hour {
    /// One vCPU.
    pub vcpu: f64,
    /// One GB of memory, 1,024 MiB.
    pub gb: f64,
}

/// What Spot costs.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Spot {
    /// Share of the On-Demand price.
    pub share: f64,
}

/// An EC2 instance type.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Instance {
    /// Its name.
    pub name: String,
    /// vCPU.
    pub vcpu: f64,
    /// Memory.
    #[serde(with = "amount")]
    pub memory: Bytes,
    /// Price of an hour.
    pub hour: f64,
}

/// Prices that could not be read.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum PricesError {
    /// Not of the form of the file that knee ships.
    #[error("{0}")]
    Form(String),
    /// A price that is no positive number.
    #[error("`{what}` is {value}: a price is a positive number of US dollars")]
    Price {
        /// Which one.
        what: &'static str,
        /// What it is.
        value: f64,
    },
    /// An instance that is not of the form NAME=VCPU,MEMORY,HOUR.
    #[error(
        "`{0}` is no instance type; write NAME=VCPU,MEMORY,DOLLARS AN HOUR, for example m7g.large=2,8GiB,0.0816"
    )]
    Instance(String),
}

/// Hours of a month, as AWS's own calculator takes it.
pub const MONTH: f64 = 730.0;

impl Prices {
    /// The file of the prices that knee ships.
    pub const SHIPPED: &str = include_str!("../data/prices.toml");

    /// The prices that knee ships.
    pub fn shipped() -> Prices {
        Prices::parse(Prices::SHIPPED).expect("the shipped prices are read in a test")
    }

    /// Reads prices; an error names line and column.
    pub fn parse(text: &str) -> Result<Prices, PricesError> {
        let prices: Prices =
            toml_edit::de::from_str(text).map_err(|e| PricesError::Form(e.to_string()))?;
        let named = [
            ("fargate.x86.vcpu", prices.fargate.x86.vcpu),
            ("fargate.x86.gb", prices.fargate.x86.gb),
            ("fargate.arm.vcpu", prices.fargate.arm.vcpu),
            ("fargate.arm.gb", prices.fargate.arm.gb),
            ("spot.share", prices.spot.share),
        ];
        let instances = prices
            .instances
            .iter()
            .flat_map(|i| [("instance.hour", i.hour), ("instance.vcpu", i.vcpu)]);
        let wrong = |(_, value): &(&str, f64)| !(value.is_finite() && *value > 0.0);
        match named.into_iter().chain(instances).find(wrong) {
            Some((what, value)) => Err(PricesError::Price { what, value }),
            None => Ok(prices),
        }
    }
}

impl Hour {
    /// A month of a task.
    pub fn month(&self, task: Task) -> f64 {
        let gb = task.memory.as_mib() / 1024.0;
        MONTH * (task.cpu * self.vcpu + gb * self.gb)
    }
}

impl std::str::FromStr for Instance {
    type Err = PricesError;

    fn from_str(text: &str) -> Result<Instance, PricesError> {
        let wrong = || PricesError::Instance(text.into());
        let number = |text: &str| {
            text.trim().parse().ok().filter(|n: &f64| n.is_finite() && *n > 0.0).ok_or_else(wrong)
        };
        let (name, rest) = text.split_once('=').ok_or_else(wrong)?;
        let [vcpu, memory, hour] = rest.split(',').collect::<Vec<_>>()[..] else {
            return Err(wrong());
        };
        let name = name.trim();
        let memory = memory.trim().parse().map_err(|_: QuantityError| wrong())?;
        if name.is_empty() {
            return Err(wrong());
        }
        Ok(Instance { name: name.into(), vcpu: number(vcpu)?, memory, hour: number(hour)? })
    }
}

/// Memory as people write it.
mod amount {
    use knee_core::units::Bytes;
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub fn serialize<S: Serializer>(bytes: &Bytes, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&bytes.to_string())
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Bytes, D::Error> {
        String::deserialize(from)?.parse().map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_small_task_costs_what_the_calculator_says() {
        let prices = Prices::shipped();
        // 0.25 vCPU and 0.5 GB: 730 h × (0.25 × 0.04048 + 0.5 × 0.004445) = $9.01.
        let task: Task = "0.25,512MiB".parse().unwrap();
        assert!((prices.fargate.x86.month(task) - 9.010).abs() < 0.001);
        assert!(prices.fargate.arm.month(task) < 0.81 * prices.fargate.x86.month(task));
    }

    #[test]
    fn a_mistake_is_named_with_its_place() {
        let shipped = Prices::SHIPPED;
        let error = |from: &str, to: &str| {
            let text = shipped.replacen(from, to, 1);
            assert_ne!(text, shipped);
            Prices::parse(&text).unwrap_err().to_string()
        };
        assert!(error("vcpu = 0.04048", "vcpu = -1").starts_with("`fargate.x86.vcpu` is -1"));
        let unknown = error("region =", "regoin =");
        assert!(unknown.contains("line 6") && unknown.contains("regoin"), "{unknown}");
        let text = format!(
            "{shipped}\n[[instance]]\nname = \"m7g.large\"\nvcpu = 2\nmemory = \"8GiB\"\nhour = 0.0816\n"
        );
        let prices = Prices::parse(&text).unwrap();
        assert_eq!(prices.instances[0], "m7g.large=2,8GiB,0.0816".parse().unwrap());
        for text in ["", "x=2,8GiB", "x=2,8GiB,-1", "=2,8GiB,1", "x=2,many,1"] {
            let error = text.parse::<Instance>().unwrap_err().to_string();
            assert!(error.contains("is no instance type"), "{error}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_prices_or_an_error(text in ".{0,80}") {
            let _ = Prices::parse(&text);
            let _ = text.parse::<Instance>();
        }
    }
}
