export enum State { Filed = 'filed', Paid = 'paid' }
export interface Expense { person: string; title: string; cents: number; day: string; state: State; receipt: string; kind: string }
