//! The last judgement before the wire. Each check can refuse; none can be skipped.

use crate::machine::Gateway;
use shm_layout::message::order::OrderHeader;
use shm_layout::types::{Notional, Price, Qty, RejectReason};

impl Gateway {
    /// Why a request that opens risk may not leave; `None` when it may. It is asked once more after any wait.
    pub(crate) fn refused_now(&self, strategy: u16) -> Option<RejectReason> {
        let owner = self.strategies.get(usize::from(strategy));
        if self.kill_generation != 0 {
            Some(RejectReason::GatewayKilled)
        } else if self.stopping {
            Some(RejectReason::Stopping)
        } else if !self.session.is_open() {
            Some(RejectReason::SessionDown)
        } else if !self.journal_available {
            Some(RejectReason::JournalUnavailable)
        } else if !self.risk_held {
            Some(RejectReason::RiskLease)
        } else if !owner.is_some_and(|owner| owner.held) {
            Some(RejectReason::StrategyLease)
        } else {
            None
        }
    }

    /// Judges a request that opens risk, before anything else of it is looked at: its id, its token, then kill, session,
    /// journal and leases. It takes id and token as used whatever the verdict: each is good for one request.
    pub(crate) fn admit(&mut self, header: &OrderHeader) -> Result<(), RejectReason> {
        let token = self.check_token(header);
        let id = self.check_id(header);
        id?;
        token?;
        self.refused_now(header.strategy_id).map_or(Ok(()), Err)
    }

    /// I2 and B9: the id belongs to its strategy, is not of a fenced epoch, and is greater than its last.
    fn check_id(&mut self, header: &OrderHeader) -> Result<(), RejectReason> {
        let id = header.cl_ord_id;
        let owner = self.strategies.get_mut(usize::from(header.strategy_id)).ok_or(RejectReason::Malformed)?;
        if id.strategy() != header.strategy_id {
            return Err(RejectReason::Malformed);
        }
        if id.epoch() < owner.epoch {
            return Err(RejectReason::Fenced);
        }
        if id <= owner.last {
            return Err(RejectReason::ClOrdIdNotGreater);
        }
        owner.last = id;
        Ok(())
    }

    /// B11: risk's epoch is the current one, and its reservation sequence greater than the last.
    pub(crate) fn check_token(&mut self, header: &OrderHeader) -> Result<(), RejectReason> {
        if header.risk_epoch < self.risk_epoch {
            return Err(RejectReason::Fenced);
        }
        if header.risk_epoch > self.risk_epoch || self.risk_epoch == 0 || header.risk_sequence <= self.risk_sequence {
            return Err(RejectReason::RiskToken);
        }
        self.risk_sequence = header.risk_sequence;
        Ok(())
    }

    /// Control 19, in the gateway itself: what has left this session. A missing limit blocks. It comes last, so that only
    /// what leaves is counted.
    pub(crate) fn check_capital(&mut self, price: Price, qty: Qty) -> Result<(), RejectReason> {
        let (Some(orders_max), Some(Notional(notional_max))) =
            (self.settings.capital.orders_max, self.settings.capital.notional_max)
        else {
            return Err(RejectReason::CapitalLimit);
        };
        let Notional(notional) = Notional::of(price, qty);
        let total = self.capital_notional.checked_add(notional).ok_or(RejectReason::CapitalLimit)?;
        if self.capital_orders >= orders_max || total > notional_max {
            return Err(RejectReason::CapitalLimit);
        }
        (self.capital_orders, self.capital_notional) = (self.capital_orders + 1, total);
        Ok(())
    }
}
