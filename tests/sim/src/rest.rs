//! What must be equal when everything is at rest: the venue's account, the journal, the strategies and risk.

use crate::checker::holdings;
use crate::supervisor::Phase;
use crate::world::World;
use journal::Through;
use orders::OrdersState;
use risk::machine::Risk;
use shm_layout::types::InstrumentId;
use shm_layout::types::Side;

impl World {
    /// The first thing that is not at rest or not equal; `None` at rest.
    pub(crate) fn unsettled(&self) -> Option<String> {
        let account = self.exchange.venue().account();
        if !account.live().is_empty() {
            return Some(format!("the venue holds orders {:?}", account.live()));
        }
        // Of a dead gateway what it had not journaled is known to the venue alone, which is flat; I1 and I2 held.
        self.gateway.as_ref()?;
        if let Some(child) = self.supervisor.children.iter().find(|child| child.phase != Phase::Running) {
            return Some(format!("{child:?}"));
        }
        let mut state = Risk::orders_state(&self.risk_settings());
        let rebuilt = self.env.archive.rebuild(&mut state, Through::End);
        if let Err(error) = rebuilt {
            return Some(format!("the journal: {error}"));
        }
        self.journal_difference(&state).or_else(|| self.process_difference(&state))
    }

    /// I4: the journal's fold is the venue's account.
    fn journal_difference(&self, state: &OrdersState) -> Option<String> {
        let account = self.exchange.venue().account();
        if state.live_orders().count() != 0 {
            return Some(format!("the journal has live orders: {:?}", state.live_orders().next()));
        }
        let (trades, fills) = (state.counts().trades, account.fills().len() as u64);
        if trades != fills {
            return Some(format!("I4: {trades} trades in the journal, {fills} at the venue"));
        }
        let held = holdings(account);
        for strategy in 0..u16::from(self.scenario.strategies) {
            for row in 0..usize::from(self.scenario.instruments) {
                let venue = held.get(&(strategy, row)).copied().unwrap_or_default().position;
                let journal = i128::from(state.position(strategy, InstrumentId(row as u32)).qty.0);
                if venue != journal {
                    return Some(format!("I4: strategy {strategy} holds {journal} of {row} in the journal, {venue}"));
                }
            }
        }
        None
    }

    /// Strategies and risk stand where the journal stands.
    fn process_difference(&self, state: &OrdersState) -> Option<String> {
        let risk = self.risk.as_ref().expect("it runs").machine();
        if risk.orders().hash() != state.hash() {
            return Some("I9: risk's orders are not the journal's".to_owned());
        }
        for (index, trader) in self.strategies.iter().enumerate() {
            let strategy = trader.as_ref().expect("it runs").machine().orders();
            if strategy.live_orders().count() != 0 {
                return Some(format!("strategy {index} has live orders"));
            }
            for row in 0..usize::from(self.scenario.instruments) {
                let instrument = InstrumentId(row as u32);
                let journal = state.position(index as u16, instrument);
                if strategy.position(index as u16, instrument) != journal {
                    return Some(format!("strategy {index} does not hold the journal's position in {row}"));
                }
                let exposures = risk.exposures();
                let exposure = exposures.exposure(exposures.row(index, row).expect("a known instrument"));
                let qty = i128::from(journal.qty.0);
                if (exposure.worst_case(Side::Buy), exposure.worst_case(Side::Sell)) != (qty, qty) {
                    return Some(format!("risk reserves {exposure:?} for {qty} of {row} of strategy {index}"));
                }
            }
        }
        None
    }
}
