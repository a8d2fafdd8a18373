//! What the suite needs: a store on either engine, acts with permits, a clock that stands.

use authority::{
    Act, Authority, Caller, Durability, EpochEffect, Facts, MachineMay, Rule, SecondFactor, Target, Who, rules,
};
fn main() {}
