//! Trace points.

use ferrite_machine::trace::{POINTS, PointRow, Trace, matches};

use super::Context;
use crate::error::Error;
use crate::schema::{
    TraceCommands, TraceEventGetStateArguments, TraceEventInfo, TraceEventSetStateArguments,
    TraceEventState,
};

impl Context<'_> {
    /// The trace points that a name or pattern means.
    fn points(
        &self,
        name: &str,
        vcpu: Option<i64>,
    ) -> Result<Vec<(usize, &'static PointRow)>, Error> {
        if let Some(vcpu) = vcpu
            && !usize::try_from(vcpu).is_ok_and(|vcpu| vcpu < self.vm.cpus().len())
        {
            return Err(Error::generic(format!("invalid vCPU index {vcpu}")));
        }
        let rows = || POINTS.iter().enumerate();
        if name.contains('*') {
            let meant = |row: &PointRow| matches(name, row.name) && (vcpu.is_none() || row.vcpu);
            return Ok(rows().filter(|(_, row)| meant(row)).collect());
        }
        let (number, row) = rows()
            .find(|(_, row)| row.name == name)
            .ok_or_else(|| Error::generic(format!("unknown event \"{name}\"")))?;
        if vcpu.is_some() && !row.vcpu {
            return Err(Error::generic(format!(
                "event \"{name}\" is not vCPU-specific"
            )));
        }
        Ok(vec![(number, row)])
    }

    fn trace(&self) -> Result<&Trace, Error> {
        self.vm.trace().ok_or_else(Error::unsupported)
    }
}

impl TraceCommands for Context<'_> {
    fn trace_event_get_state(
        &mut self,
        arguments: TraceEventGetStateArguments,
    ) -> Result<Vec<TraceEventInfo>, Error> {
        let points = self.points(&arguments.name, arguments.vcpu)?;
        let trace = self.trace()?;
        let info = |(number, row): (usize, &PointRow)| TraceEventInfo {
            name: row.name.into(),
            state: match trace.is_on(number) {
                true => TraceEventState::Enabled,
                false => TraceEventState::Disabled,
            },
            vcpu: row.vcpu,
        };
        Ok(points.into_iter().map(info).collect())
    }

    fn trace_event_set_state(
        &mut self,
        arguments: TraceEventSetStateArguments,
    ) -> Result<(), Error> {
        // Every point is built in, so there is none to ignore.
        let points = self.points(&arguments.name, arguments.vcpu)?;
        let trace = self.trace()?;
        for (number, _) in points {
            trace.set(number, arguments.enable);
        }
        Ok(())
    }
}
